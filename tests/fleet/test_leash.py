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
(folder / "pids.part").write_text(f"{os.getpid()} {child.pid} {os.getppid()}")
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
    """Starts an asker with its leash and program; gives the asker, the number of its child, and others.

    Those are of the program, of what it has started, and of the process that holds it.
    """
    askers = []

    def start(grace: float, *words: str) -> tuple[subprocess.Popen, int, list[int]]:
        program = [sys.executable, "-c", PROGRAM, str(tmp_path), *words]
        words = [sys.executable, "-c", ASKER, str(LEASH), str(grace), *program]
        asker = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
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


def test_where_ray_kills_a_workers_children_the_program_saves_all_the_same(started, tmp_path):
    asker, number, others = started(20.0)
    for pid in (number, asker.pid):  # a worker that ends without its driver does so, in this order
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(is_alive(pid) for pid in [number, *others]))
    assert (tmp_path / "saved").exists()


def test_where_the_workers_process_group_is_killed_the_program_saves_all_the_same(started, tmp_path):
    asker, number, others = started(20.0)
    assert os.getpgid(number) == os.getpgid(asker.pid)
    os.killpg(os.getpgid(number), signal.SIGKILL)
    wait_for(lambda: not any(is_alive(pid) for pid in [number, *others]))
    assert (tmp_path / "saved").exists()


@pytest.mark.skipif(leash.PRCTL is None, reason="only Linux tells children of their parent's end")
def test_what_holds_the_program_does_not_leave_it_behind(started):
    _, number, (program, its_child, holder) = started(20.0)
    os.kill(holder, signal.SIGKILL)
    wait_for(lambda: not is_alive(program) and not is_alive(number))
    os.kill(its_child, signal.SIGKILL)  # what the program has started is its own to look after


def test_who_asks_it_to_end_is_told_how_the_program_ended(tmp_path):
    command = [sys.executable, str(LEASH), str(os.getpid()), "20", sys.executable, "-c", PROGRAM, str(tmp_path)]
    child = subprocess.Popen(command)
    wait_for((tmp_path / "pids").exists)
    child.terminate()
    assert child.wait(20) == 3 and (tmp_path / "saved").exists()


@pytest.mark.parametrize(("program", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)])
def test_the_exit_code_is_the_programs(program, code):
    command = [sys.executable, str(LEASH), str(os.getpid()), "1", "sh", "-c", program]
    assert subprocess.run(command, check=False).returncode == code


@pytest.mark.parametrize("end", ["true", "kill -9 $$"])
def test_temporary_files_go_with_the_program_however_it_ends(tmp_path, end):
    command = [sys.executable, str(LEASH), str(os.getpid()), "1", "sh", "-c"]
    program = f'mkdir "$TMPDIR/heads" && echo weights >"$TMPDIR/heads/one" && echo "$TMPDIR" && {end}'
    there = {**os.environ, "TMPDIR": str(tmp_path)}
    told = subprocess.run([*command, program], check=False, env=there, capture_output=True, text=True).stdout
    assert Path(told.strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []
