"""Per-frame work spread over processes, each on one core with one thread."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar, cast

from arguments.errors import EGSTalkerError

Job = TypeVar("Job")
Result = TypeVar("Result")

MAX_WORKERS = 8
CORES = "EGSTALKER_CORES"  # of the environment: set where others work on the same machine
_CHILDREN = {  # a core each; memory of a picture's size is kept for the next picture, not given back to the system
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(32 << 20)),
}


def available_cores() -> int:
    """The cores that this process may use: all that the system gives it, or fewer where EGSTALKER_CORES says so."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get(CORES, "")
    return min(given, max(1, int(wanted))) if wanted.isdecimal() else given


def ranges(total: int, size: int, start: int = 0) -> list[range]:
    """Cut start..total into consecutive ranges of at most ``size``."""
    return [range(begin, min(begin + size, total)) for begin in range(start, total, size)]


def blocks(total: int, size: int = 256) -> list[slice]:
    """0..total in consecutive slices of at most ``size``: of frames, what is handled at once to bound memory."""
    return [slice(rows.start, rows.stop) for rows in ranges(total, size)]


def run_jobs(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    total: int | None = None,
    workers: int | None = None,
    done: Callable[[int], None] = lambda index: None,
) -> list[Result]:
    """``[function(job) for job in jobs]`` over processes, in the jobs' order.

    Args:
        function: picklable (a module's function or a partial of one); each process gets it once, however large.
        jobs: those that an iterator yields begin while it makes the next.
        total: how many jobs there are, where ``jobs`` does not tell.
        workers: processes; by default one a core, at most 8 and at most one a job. One means: in this process.
        done: called in this process with a job's index whenever one ends (progress).

    Raises:
        EGSTalkerError: a worker was killed (out of memory, as a rule). What a job raises is raised here; the jobs
            that have not begun are dropped, and Ctrl-C ends the workers at once.
    """
    total = total or len(cast(Sequence[Job], jobs))
    workers = min(total, workers or min(available_cores(), MAX_WORKERS))
    if workers <= 1 or not _main_can_be_imported_again():
        results = []
        for index, job in enumerate(jobs):
            results.append(function(job))
            done(index)
        return results

    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(function,)
    )
    try:
        with _environment_of_children():
            futures = {pool.submit(_do, job): index for index, job in enumerate(jobs)}
        for future in _as_completed(futures):
            future.result()
            done(futures[future])
        pool.shutdown()
    except BaseException as error:
        _end(pool)
        if isinstance(error, BrokenProcessPool):
            raise EGSTalkerError("a worker process was killed; free some memory and run again") from error
        raise
    return [future.result() for future in futures]


def in_threads(function: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
    """``[function(job) for job in jobs]`` on one thread a core: for work that lets go of the interpreter's lock."""
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(function, jobs))


def _as_completed(futures: dict[Future[Result], int]) -> Iterator[Future[Result]]:
    pending: set[Future[Result]] = set(futures)
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield from finished


def _end(pool: ProcessPoolExecutor) -> None:
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(5)


_work: Callable[[Any], Any]  # a worker process's function


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _work
    _work = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)


def _do(job: Any) -> Any:
    return _work(job)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns when the parent is gone, killed or not
        os._exit(1)


@contextlib.contextmanager
def _environment_of_children() -> Iterator[None]:
    kept = {name: os.environ.get(name) for name in _CHILDREN}
    os.environ.update(_CHILDREN)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _main_can_be_imported_again() -> bool:
    file = getattr(sys.modules.get("__main__"), "__file__", None)  # a program read from stdin cannot: no processes then
    return file is None or Path(file).exists()
