"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from arguments.atomic import atomic_path, write_json


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
