"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from arguments.atomic import atomic_path, staged_folder, sweep_leftovers, write_json


def test_a_new_file_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    for text in ("old", "new"):
        with atomic_path(target) as path:
            assert path.suffix == ".txt"
            path.write_text(text)
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_failing_writer_leaves_the_old_file_as_it_was(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as path:
            path.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_writer_leaves_the_old_file_as_it_was(tmp_path, repository):
    target = tmp_path / "file.txt"
    target.write_text("old")
    code = (
        "import os, signal, sys\nfrom arguments.atomic import atomic_path\n"
        "with atomic_path(sys.argv[1]) as path:\n"
        "    path.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], cwd=repository, env={**os.environ}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


def test_json_without_a_meaning_is_never_written(tmp_path):
    target = tmp_path / "file.json"
    write_json(target, {"a": [1, 2.5, None]})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text()) == {"a": [1, 2.5, None]}


def test_what_a_dead_process_left_is_swept_and_a_living_ones_work_stays(tmp_path):
    living = os.getppid()
    for name in (f".a.{living}.part", ".b.99999999.part", ".c.part", f".d.{os.getpid()}.part"):
        (tmp_path / name).mkdir()
    (tmp_path / f".e.{living}.part.wav").touch()
    (tmp_path / ".f.99999999.part.wav").touch()
    (tmp_path / ".g.99999999.old.part").mkdir()
    (tmp_path / ".hidden").touch()
    sweep_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".a.{living}.part", f".e.{living}.part.wav", ".hidden", "g"]


def test_two_processes_stage_the_same_folder_apart(tmp_path, monkeypatch):
    with staged_folder(tmp_path / "x") as ours:
        monkeypatch.setattr("arguments.atomic.os.getpid", lambda: 99999999)
        with staged_folder(tmp_path / "x") as theirs:
            assert ours != theirs and ours.is_dir()
            (theirs / "theirs").touch()
        monkeypatch.undo()
        (ours / "ours").touch()
    assert [p.name for p in tmp_path.rglob("*")] == ["x", "ours"]
