"""How many threads the CPU kernels use, and one kernel at a time.

Numba's OpenMP layer (its default where libgomp is installed) shares torch's thread pool: alternating torch and numba
costs nothing, where numba's own work queue loses a third to the two pools' waiting threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from numba import config, get_num_threads, set_num_threads

_one_kernel_at_a_time = threading.RLock()


@contextmanager
def kernels() -> Iterator[int]:
    """Run numba kernels with torch's number of threads (so ``torch.set_num_threads`` and OMP_NUM_THREADS rule both).

    Yields that number. Where numba falls back to its work queue, two Python threads must not enter it: they wait here.
    """
    with _one_kernel_at_a_time:
        threads = torch.get_num_threads()
        set_num_threads(min(threads, config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        if torch.get_num_threads() != threads:  # the first call starts numba's pool, which resets OpenMP's default
            torch.set_num_threads(threads)
        yield get_num_threads()
