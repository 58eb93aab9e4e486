"""A checkout that the caller cannot write, or that shall not be written: what it makes goes elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def _tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def _place(checkout) -> Path:
    """The one folder that the checkout has in the caller's cache."""
    (place,) = (Path(checkout.environment["HOME"]) / ".cache/egstalker").iterdir()
    return place


def _environment(checkout) -> dict[str, str]:
    return dict(line.split("=", 1) for line in checkout.lines("python.env") if "=" in line)


def test_the_environment_and_caches_of_somebody_elses_checkout_are_the_callers(others_checkout):
    checkout = others_checkout
    checkout.give_to_somebody_else()
    before = _tree(checkout.root)
    first = checkout.run("train.sh", "-s", "data")
    assert first.returncode == 0, first.stderr
    place = _place(checkout)
    assert place.name.startswith("check out-")
    assert str(place / ".venv") in first.stderr
    assert (place / ".venv/.native.txt").read_text() == (checkout.root / "requirements/native.txt").read_text()
    environment = _environment(checkout)
    assert environment["NUMBA_CACHE_DIR"] == str(place / ".cache/numba")
    assert environment["PYTHONPYCACHEPREFIX"] == str(place / ".cache/python")
    calls = checkout.lines("pip.log")
    assert checkout.run("train.sh", "-s", "data").returncode == 0
    assert checkout.lines("pip.log") == calls
    assert checkout.run("test.sh").returncode == 0
    assert checkout.lines("python.log")[-1] == f"-m pytest --color=no -o cache_dir={place}/.pytest_cache"
    assert _tree(checkout.root) == before


def test_the_demo_of_somebody_elses_checkout_is_the_callers_and_says_where(others_checkout):
    checkout = others_checkout
    checkout.give_to_somebody_else()
    before = _tree(checkout.root)
    result = checkout.run("demo.sh")
    assert result.returncode == 0, result.stderr
    demo = _place(checkout) / "demo"
    assert f"The head speaks in {demo}/results/sample.mp4" in result.stderr
    assert len(json.loads((demo / "stages.json").read_text())) == 6
    assert checkout.lines("python.log")[0] == f"-m sample {demo}/sample.mp4"
    assert _tree(checkout.root) == before
    assert checkout.run("demo.sh", "--clean").returncode == 0
    assert _tree(checkout.root) == before


def test_the_owners_environment_serves_others_where_it_is_whole(others_checkout):
    checkout = others_checkout
    assert checkout.run("train.sh", "-s", "data").returncode == 0
    calls = checkout.lines("pip.log")
    checkout.give_to_somebody_else()
    assert checkout.run("train.sh", "-s", "data").returncode == 0
    assert checkout.lines("pip.log") == calls
    caches = f"{checkout.environment['HOME']}/.cache/egstalker/check out-"
    assert _environment(checkout)["NUMBA_CACHE_DIR"].startswith(caches)
    assert "PYTHONPYCACHEPREFIX" not in _environment(checkout)
    assert checkout.run("test.sh").returncode == 0, "the tools of the tests are not in it"
    assert checkout.lines("pip.log")[len(calls)] == "venv"
    assert (_place(checkout) / ".venv/.dev.txt").is_file()


def test_a_container_keeps_its_caches_there_too(others_checkout):
    checkout = others_checkout
    checkout.docker()
    checkout.give_to_somebody_else()
    result = checkout.run("train.sh", "-s", "data")
    assert result.returncode == 0, result.stderr
    assert f"HOME={_place(checkout)}/.cache/container" in checkout.argv("docker")


@pytest.mark.parametrize("given", ["an absolute", "a relative"])
def test_another_place_can_be_named(checkout, tmp_path, given):
    work = tmp_path / "work"
    work.mkdir()
    place = work / "a place"
    before = _tree(checkout.root)
    named = str(place) if given == "an absolute" else "a place"
    result = checkout.run("train.sh", "-s", "data", cwd=work, EGSTALKER_HOME=named)
    assert result.returncode == 0, result.stderr
    assert (place / ".venv/.native.txt").is_file()
    assert _environment(checkout)["NUMBA_CACHE_DIR"] == str(place / ".cache/numba")
    assert _tree(checkout.root) == before


@pytest.mark.parametrize("script", ["demo.sh", "test.sh", "train.sh"])
def test_a_place_that_cannot_be_written_is_one_line(checkout, tmp_path, script):
    (tmp_path / "file").touch()
    result = checkout.run(script, *(["-s", "x"] if script == "train.sh" else []), EGSTALKER_HOME=str(tmp_path / "file"))
    assert result.returncode == 1
    assert result.stderr == f"error: cannot write to {tmp_path}/file; set EGSTALKER_HOME to a folder of yours\n"


def test_two_checkouts_of_one_name_do_not_share_a_place(others_checkout):
    checkout = others_checkout
    probe = checkout.root / "probe"
    probe.write_text('#!/usr/bin/env bash\nROOT=$1\n. "$ROOT/scripts/environment.sh"\necho "$STATE"\n')
    probe.chmod(0o755)
    assert checkout.run("probe", str(checkout.root)).stdout == f"{checkout.root}\n"
    checkout.give_to_somebody_else()
    alias = Path(checkout.environment["HOME"]) / "check out"
    alias.symlink_to(checkout.root)
    places = {checkout.run("probe", str(root)).stdout for root in (checkout.root, alias)}
    assert len(places) == 2
    assert all(place.startswith(f"{checkout.environment['HOME']}/.cache/egstalker/check out-") for place in places)
