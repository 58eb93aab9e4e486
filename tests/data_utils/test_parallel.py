import os
import signal
import time

import pytest

from arguments.errors import EGSTalkerError
from data_utils.parallel import CORES, available_cores, ranges, run_jobs


def square(x):
    return x * x


def refuse(x):
    raise EGSTalkerError(f"job {x} cannot be done; try another")


def die(x):
    os.kill(os.getpid(), signal.SIGKILL)


class Adder:
    """Adds a number; knows how often it was sent to a process."""

    def __init__(self, number, log):
        self.number, self.log = number, log

    def __getstate__(self):
        with self.log.open("a") as file:
            file.write("sent\n")
        return self.__dict__

    def __call__(self, x):
        return self.number + x


def touch(path):
    path.touch()
    return path.name


def test_a_large_function_is_sent_once_to_each_process(tmp_path):
    add = Adder(100, tmp_path / "log")
    assert run_jobs(add, list(range(12)), workers=2) == list(range(100, 112))
    assert len(add.log.read_text().splitlines()) <= 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_begins_while_the_next_is_made(tmp_path, workers):
    def jobs():
        yield tmp_path / "first"
        deadline = time.monotonic() + 30
        while not (tmp_path / "first").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield tmp_path / ("second" if (tmp_path / "first").exists() else "too late")

    assert run_jobs(touch, jobs(), total=2, workers=workers) == ["first", "second"]


def test_what_fails_while_jobs_are_made_ends_the_processes(tmp_path):
    def jobs():
        yield tmp_path / "first"
        raise EGSTalkerError("the video is damaged")

    with pytest.raises(EGSTalkerError, match="damaged"):
        run_jobs(touch, jobs(), total=2, workers=2)


def test_results_come_in_the_jobs_order():
    finished = []
    assert run_jobs(square, list(range(7)), workers=2, done=finished.append) == [0, 1, 4, 9, 16, 25, 36]
    assert sorted(finished) == list(range(7))


def test_a_workers_error_comes_back_as_it_was_raised():
    with pytest.raises(EGSTalkerError, match="cannot be done; try another"):
        run_jobs(refuse, [1, 2, 3], workers=2)


def test_a_killed_worker_is_one_clear_error():
    with pytest.raises(EGSTalkerError, match="killed"):
        run_jobs(die, [1, 2], workers=2)


def test_ranges_cover_everything_once():
    assert [list(r) for r in ranges(5, 2)] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(("wanted", "cores"), [("1", 1), ("0", 1), ("100000", None), ("", None), ("many", None)])
def test_others_on_the_machine_are_left_their_cores(monkeypatch, wanted, cores):
    monkeypatch.delenv(CORES, raising=False)
    all_of_them = available_cores()
    monkeypatch.setenv(CORES, wanted)
    assert available_cores() == (cores or all_of_them)
