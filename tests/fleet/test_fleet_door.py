"""The command line: what it refuses, and in how many lines."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from arguments.atomic import write_json
from fleet.film_folder import Film, FilmFolder
from fleet.manifest import DONE, FAILED, INPUT, Manifest, Record
from tests.fleet.fake_checkout import make_videos


@pytest.fixture
def fleet(repository: Path):
    def run(*words: str, before: str = "pass") -> tuple[int, str]:
        program = (
            f"import sys, runpy; {before}; sys.argv[0] = 'fleet.py'; runpy.run_path('fleet.py', run_name='__main__')"
        )
        command = [sys.executable, "-c", program, *words]
        result = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
        return result.returncode, result.stderr

    return run


@pytest.mark.parametrize("command", ["status", "report", "retry"])
def test_a_farm_that_is_not_there_is_one_line(fleet, tmp_path, command):
    code, said = fleet(command, str(tmp_path / "farm"))
    assert code == 1
    assert said == f"error: there is no farm at {tmp_path}/farm; ./fleet.sh heads makes one\n"
    assert not (tmp_path / "farm").exists()


@pytest.fixture
def films(tmp_path):
    """A folder of two films: one is whole, one has failed."""
    folder = FilmFolder(str(tmp_path / "films"))
    listed = [Film("anna", name, "anna.head", f"{name}.wav") for name in ("hello", "noise")]
    (folder.root / "anna").mkdir(parents=True)
    folder.target(listed[0]).touch()
    write_json(folder.root / "films.json", {"format": 1, "films": [asdict(film) for film in listed]})
    manifest = Manifest(folder.manifest)
    manifest.add(Record("anna", "hello", DONE, seconds=2.0, frames=50.0))
    manifest.add(Record("anna", "noise", FAILED, why="it is no sound", kind=INPUT))
    manifest.close()
    return folder.root


def test_films_have_a_status_and_are_tried_again_by_their_command(films, capsys, monkeypatch):
    def fleet(*words):
        monkeypatch.setattr("sys.argv", ["fleet.py", *words])
        code = runpy.run_path("fleet.py")["main"]()
        return code, capsys.readouterr()

    code, said = fleet("status", str(films))
    assert code == 0
    assert said.out.splitlines() == [
        "anna: 2 films: 1 whole, 1 failed, 0 waiting; 2 s of film",
        "  noise: it is no sound",
        "all: 2 films: 1 whole, 1 failed, 0 waiting; 2 s of film",
    ]
    code, said = fleet("status", str(films), "--json")
    hello, noise = json.loads(said.out)
    assert (hello["film"], hello["state"], hello["frames"], hello["made_in"]) == ("hello", "whole", 50, 2)
    assert (noise["state"], noise["frames"], noise["why"]) == ("failed", None, "it is no sound")
    assert not (films / "films.csv").exists()
    code, said = fleet("retry", str(films))
    assert code == 1 and said.err.count("\n") == 1
    assert f"{films} has films: the ./fleet.sh films that began them tries again what failed" in said.err


def test_without_ray_it_says_what_is_missing(fleet, tmp_path):
    videos = make_videos(tmp_path / "videos", anna={})
    code, said = fleet("heads", str(videos), "--out", str(tmp_path / "farm"), before="sys.modules['ray'] = None")
    assert code == 1
    assert said == "error: a farm needs the packages of requirements/fleet.txt (ray): ./fleet.sh installs them\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["heads", "x", "--out", "f", "--cores", "0"], "--cores is at least 1"),
        (["heads", "x", "--out", "f", "--gpu_share", "2"], "--gpu_share is from 0 to 1"),
        (["heads", "x", "--out", "f", "--cpu_nodes", "cpu"], "is not KEY=VALUE"),
        (["heads", "x", "--out", "f", "--cpu_nodes", "role=!gpu"], "is not KEY=VALUE"),
        (["heads", "x", "--out", "f", "--train_options", "--a 'b"], "No closing quotation"),
        (["films", "x", "y"], "the following arguments are required: --out"),
        (["films", "x", "y", "--out", "f", "--seed", "-1"], "--seed is at least 0"),
        (["dance"], "invalid choice"),
    ],
)
def test_a_command_line_that_will_not_do_ends_with_2(fleet, words, said):
    code, line = fleet(*words)
    assert code == 2
    assert said in line.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "gone"], "gone; ./fleet.sh heads makes one"),
        (["gone", "--out", "f"], "gone does not exist; give videos, or folders of them"),
        (["tests", "--out", "f"], "there is no video in tests; their names end in .mp4, .mov and such"),
        (["README.md", "--out", "README.md"], "README.md is not a folder; give another --out"),
        (["README.md", "--out", "f", "--configs", "g"], "there is no configuration g; give --configs"),
    ],
)
def test_what_is_not_there_is_one_line(fleet, words, said):
    code, line = fleet("heads", *words)
    assert code == 1
    assert said in line and line.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a folder of heads and one of sounds, or --pairs"),
        (["tests"], "give a folder of heads and one of sounds, or --pairs"),
        (["gone", "README.md"], "gone does not exist; give a folder of heads"),
        (["tests", "README.md"], "there is no head in tests"),
        (["--pairs", "gone.csv"], "there is no table gone.csv"),
        (["--pairs", "README.md"], "README.md has no column 'head'; its first line is: head,sound"),
    ],
)
def test_films_of_what_is_not_there_are_one_line(fleet, tmp_path, words, said):
    code, line = fleet("films", *words, "--out", str(tmp_path / "films"))
    assert code == 1
    assert said in line and line.count("\n") == 1
    assert not (tmp_path / "films").exists()


def test_films_without_ray_say_what_is_missing(fleet, tmp_path):
    for file in ("heads/anna.head", "sounds/one.wav"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("")
    words = ("films", str(tmp_path / "heads"), str(tmp_path / "sounds"), "--out", str(tmp_path / "films"))
    code, said = fleet(*words, before="sys.modules['ray'] = None")
    assert code == 1
    assert said == "error: a farm needs the packages of requirements/fleet.txt (ray): ./fleet.sh installs them\n"
