"""One writer a folder at a time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from arguments.errors import EGSTalkerError
from arguments.locks import exclusive, is_held

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom arguments.locks import exclusive, is_held\n"
    "with exclusive(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)\n"
)


def test_a_second_run_is_told_who_holds_the_folder(tmp_path, repository):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "held\n"
            with pytest.raises(EGSTalkerError) as refused, exclusive(tmp_path):
                pass
        finally:
            other.kill()
    said = str(refused.value)
    assert f"(process {other.pid} on {socket.gethostname()} since 20" in said and f"-c {tmp_path}); wait" in said
    assert "\n" not in said


def test_a_killed_run_holds_nothing(tmp_path, repository):
    code = HOLD.replace("time.sleep(600)", f"__import__('os').kill(__import__('os').getpid(), {int(signal.SIGKILL)})")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=repository, check=False)
    assert done.returncode == -signal.SIGKILL and (tmp_path / ".lock").exists()
    with exclusive(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_and_goes_again_if_nothing_was_put_there(tmp_path):
    with exclusive(tmp_path / "deep" / "m"):
        assert (tmp_path / "deep" / "m").is_dir()
    assert not (tmp_path / "deep" / "m").exists()
    with exclusive(tmp_path / "m"):
        (tmp_path / "m" / "file").touch()
    assert [p.name for p in (tmp_path / "m").iterdir()] == ["file"]


def test_a_file_is_no_folder_to_hold(tmp_path):
    (tmp_path / "m").touch()
    with pytest.raises(EGSTalkerError, match="is not a folder"), exclusive(tmp_path / "m"):
        pass


def test_where_nothing_can_be_written_nothing_is_held(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("arguments.locks.os.open", refused)
    monkeypatch.setattr("arguments.locks.os.access", lambda *_: False)
    with exclusive(tmp_path), exclusive(tmp_path):
        pass


def test_who_asks_whether_a_folder_is_held_changes_nothing(tmp_path):
    assert not is_held(tmp_path / "gone")
    with exclusive(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    (tmp_path / ".lock").write_text("what a killed run has left")
    assert not is_held(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
