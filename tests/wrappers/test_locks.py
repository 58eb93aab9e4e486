"""requirements/: what is locked is whole, is what runs here, and holds nothing that it must not."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LEFT_OUT = {"jax", "jaxlib", "sentencepiece", "sounddevice", "opencv-contrib-python"}  # of MediaPipe


def _requirements(repository: Path, *names: str) -> list[Requirement]:
    lines = [line for name in names for line in (repository / "requirements" / f"{name}.txt").read_text().splitlines()]
    stripped = [re.sub(r"\s*#.*", "", line) for line in lines]
    return [Requirement(line) for line in stripped if line]


def _locked(repository: Path, python: str | None = None) -> dict[str, str]:
    environment = {"python_version": python} if python else None
    chosen = [r for r in _requirements(repository, "native", "dev") if not r.marker or r.marker.evaluate(environment)]
    locked = {str(canonicalize_name(r.name)): str(r.specifier).removeprefix("==") for r in chosen}
    assert len(locked) == len(chosen), "a package is locked twice"
    return locked


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_every_package_has_exactly_one_version(repository, python):
    everything = _requirements(repository, "native", "dev", "lint", "cuda", "container", "container-cuda")
    assert all(re.fullmatch(r"==[0-9][0-9a-z.]*", str(r.specifier)) for r in everything)
    assert len(_locked(repository, python)) > 60


def test_the_lock_is_what_runs_here(repository):
    different = {
        name: (version, metadata.version(name))
        for name, version in _locked(repository).items()
        if metadata.version(name).split("+")[0] != version
    }
    assert not different


def test_what_the_locked_packages_need_is_locked_in_a_version_they_accept(repository):
    locked = _locked(repository)
    missing = []
    for name in locked:
        for line in metadata.requires(name) or []:
            need = Requirement(line)
            wanted = canonicalize_name(need.name)
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            if name == "mediapipe" and wanted in LEFT_OUT:
                continue
            if name == "torch" and wanted.startswith(("nvidia-", "cuda-", "triton")):
                continue
            if wanted not in locked or not need.specifier.contains(locked[wanted], prereleases=True):
                missing.append(f"{name} needs {line}")
    assert not missing


def test_there_is_one_opencv_without_libgl_and_no_jax(repository):
    locked = _locked(repository)
    assert [name for name in locked if name.startswith("opencv")] == ["opencv-contrib-python-headless"]
    assert not LEFT_OUT & set(locked)


def test_the_container_adds_to_the_native_lock_and_repeats_nothing_of_it(repository):
    added = [canonicalize_name(r.name) for r in _requirements(repository, "cuda", "container", "container-cuda")]
    assert len(added) == len(set(added))
    assert not set(added) & set(_locked(repository))
