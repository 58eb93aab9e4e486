"""requirements/: what is locked is whole, is what runs here, and holds nothing that it must not."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Of MediaPipe, and of pocketsphinx, of which only the acoustic model is read.
LEFT_OUT = {"jax", "jaxlib", "sentencepiece", "sounddevice", "opencv-contrib-python"}
LOCKS = ["torch", "native", "dev", "live", "fleet", "lint", "cuda", "container", "container-build", "container-cuda"]
PYTHONS = ["3.10", "3.11", "3.12"]
SYSTEMS = ["linux", "darwin"]
CUDA = ("nvidia-", "cuda-", "triton")


def _lines(repository: Path, file: str) -> list[str]:
    """The packages of a file, each with its hashes on one line."""
    text = (repository / "requirements" / file).read_text().replace("\\\n", "")
    stripped = [re.sub(r"(^|\s+)#.*", "", line).strip() for line in text.splitlines()]
    return [line for line in stripped if line]


def _requirements(repository: Path, *files: str) -> list[Requirement]:
    return [Requirement(re.sub(r"\s+--hash=\S+", "", line)) for file in files for line in _lines(repository, file)]


def _chosen(requirements: list[Requirement], python: str | None, system: str | None) -> dict[str, str]:
    """Version of each package on a Python and a system (None: this one)."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"} if python else {}
    environment |= {"sys_platform": system} if system else {}
    chosen = [r for r in requirements if not r.marker or r.marker.evaluate(environment)]
    locked = {str(canonicalize_name(r.name)): str(r.specifier).removeprefix("==") for r in chosen}
    assert len(locked) == len(chosen), "a package is locked twice"
    return locked


def _locked(repository: Path) -> dict[str, str]:
    locked = _chosen(_requirements(repository, "torch.txt", "native.txt", "dev.txt"), None, None)
    if "+cpu" in metadata.version("torch"):  # that build names no CUDA libraries
        return {name: version for name, version in locked.items() if not name.startswith(CUDA)}
    return locked


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_package_has_exactly_one_version(repository, python, system):
    everything = _requirements(repository, *(f"{name}.txt" for name in LOCKS))
    assert all(re.fullmatch(r"==[0-9][0-9a-z.]*", str(r.specifier)) for r in everything)
    assert len(_chosen(_requirements(repository, "torch.txt", "native.txt", "dev.txt"), python, system)) > 60


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_its_list_with_hashes(repository, name):
    listed, locked = (_requirements(repository, f"{name}.{kind}") for kind in ("in", "txt"))
    for python in PYTHONS:
        for system in SYSTEMS:
            assert _chosen(locked, python, system) == _chosen(listed, python, system)
    assert all(re.search(r"( --hash=sha256:[0-9a-f]{64})+$", line) for line in _lines(repository, f"{name}.txt"))


def test_every_lock_is_known_and_names_no_index(repository):
    files = {path.name for path in (repository / "requirements").iterdir()} - {"models.sha256"}
    assert files == {f"{name}.{kind}" for name in LOCKS for kind in ("in", "txt")}
    assert not any(
        re.search(r"https?:|--(extra-)?index-url|--find-links", line)
        for file in files
        for line in _lines(repository, file)
    )


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
            if name in ("mediapipe", "pocketsphinx") and wanted in LEFT_OUT:
                continue
            if name == "torch" and wanted.startswith(CUDA):
                continue
            if wanted not in locked or not need.specifier.contains(locked[wanted], prereleases=True):
                missing.append(f"{name} needs {line}")
    assert not missing


def test_there_is_one_opencv_without_libgl_and_no_jax(repository):
    locked = _locked(repository)
    assert [name for name in locked if name.startswith("opencv")] == ["opencv-contrib-python-headless"]
    assert not LEFT_OUT & set(locked)


def test_the_container_adds_to_the_native_lock_and_repeats_nothing_of_it(repository):
    added = [
        canonicalize_name(r.name) for r in _requirements(repository, "cuda.txt", "container.txt", "container-cuda.txt")
    ]
    assert len(added) == len(set(added))
    assert not set(added) & set(_locked(repository))
