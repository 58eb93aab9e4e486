"""What each process of the tests may use. Imported before torch and numba, whose threads it limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
"""How many run the tests together."""

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")  # the most; torch's number of threads rules
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ALL_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def keep_to_own_cores() -> None:
    """Share the cores out: this process, and all that it starts, leaves those of the others alone."""
    if PROCESSES > 1 and hasattr(os, "sched_setaffinity"):
        first = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        cores = sorted(ALL_CORES)[first::PROCESSES]
        if cores:
            os.sched_setaffinity(0, cores)


@contextmanager
def all_cores() -> Iterator[None]:
    """Within the context, the cores of the other processes too: preprocessing has workers, as on a user's machine."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ALL_CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


keep_to_own_cores()
