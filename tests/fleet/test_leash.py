"""A program ends with whoever asked for it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet import leash
from fleet.work import LEASH

# Says who it is, starts a child of its own, and answers SIGTERM by saving.
PROGRAM = """
import os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
child = subprocess.Popen(["sleep", "600"])
def save(*_):
    (folder / "saved").touch()
    if "stubborn" not in sys.argv:
        sys.exit(3)
signal.signal(signal.SIGTERM, save)
(folder / "pids.part").write_text(f"{os.getpid()} {child.pid}")
(folder / "pids.part").rename(folder / "pids")
while True:
    time.sleep(0.1)
"""
ASKER = """
import os, subprocess, sys, time
leash = subprocess.Popen([sys.executable, sys.argv[1], str(os.getpid()), *sys.argv[2:]])
print(leash.pid, flush=True)
time.sleep(600)
"""


def wait_for(ready: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def started(tmp_path):
    """Starts an asker with its leash and program; gives the asker, the leash's number, and those of the programs."""
    askers = []

    def start(grace: float, *words: str) -> tuple[subprocess.Popen, int, list[int]]:
        program = [sys.executable, "-c", PROGRAM, str(tmp_path), *words]
        asker = subprocess.Popen(
            [sys.executable, "-c", ASKER, str(LEASH), str(grace), *program], stdout=subprocess.PIPE, text=True
        )
        askers.append(asker)
        number = int(asker.stdout.readline())
        wait_for((tmp_path / "pids").exists)
        return asker, number, [int(word) for word in (tmp_path / "pids").read_text().split()]

    yield start
    for asker in askers:
        asker.kill()
        asker.wait()
        asker.stdout.close()


def test_a_killed_worker_takes_its_program_along_which_saves_first(started, tmp_path):
    asker, number, programs = started(20.0)
    asker.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in [number, *programs]))
    assert (tmp_path / "saved").exists()


def test_a_program_that_does_not_end_is_killed_with_all_that_it_has_started(started, tmp_path):
    asker, number, programs = started(0.5, "stubborn")
    asker.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in [number, *programs]))
    assert (tmp_path / "saved").exists()


@pytest.mark.skipif(leash.PRCTL is None, reason="only Linux tells children of their parent's end")
def test_a_killed_leash_leaves_no_program_behind(started):
    _, number, programs = started(20.0)
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: not is_alive(programs[0]))
    os.kill(programs[1], signal.SIGKILL)  # what the program has started is its own to look after


@pytest.mark.parametrize(("program", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)])
def test_the_exit_code_is_the_programs(program, code):
    command = [sys.executable, str(LEASH), str(os.getpid()), "1", "sh", "-c", program]
    assert subprocess.run(command, check=False).returncode == code
