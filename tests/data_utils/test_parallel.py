import os
import signal

import pytest

from arguments.errors import EGSTalkerError
from data_utils.parallel import ranges, run_jobs


def square(x):
    return x * x


def refuse(x):
    raise EGSTalkerError(f"job {x} cannot be done; try another")


def die(x):
    os.kill(os.getpid(), signal.SIGKILL)


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
