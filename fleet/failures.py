"""Whose fault a failure is: of what a stage was given (trying again is no use), or of the machine (it may be).

A program that finds its input wanting says so in one line, ``error: ...``, and ends with code 1; arguments that it does
not know end it with code 2. All else is put down to the machine: a signal, memory, disk or network, or an end without a
word. Which of the programs' own lines speak of the machine is written here.
"""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass
from pathlib import Path

from arguments.command_log import last_error, lines_of, said_error
from arguments.errors import one_line
from arguments.foreign_text import printable
from fleet.manifest import INPUT, MACHINE

OF_THE_MACHINE = (
    *("out of memory", "can't allocate memory", "cannot allocate memory", "worker process was killed"),
    *("disk is full", "no space left on device", "disk quota exceeded", "input/output error", "read-only file system"),
    *("stale file handle", "transport endpoint", "connection reset", "connection refused", "timed out"),
    *("is being written by another run", "too many open files", "resource temporarily unavailable"),
    *("cuda error", "no cuda device", "driver/library version mismatch"),
)
LOST = {  # by the names of Ray's exceptions
    "WorkerCrashedError": "the worker died",
    "NodeDiedError": "the machine was lost",
    "LocalRayletDiedError": "the machine was lost",
    "ObjectLostError": "the machine was lost",
    "OwnerDiedError": "the machine was lost",
}
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Failure:
    """Why a stage failed."""

    kind: str
    """INPUT or MACHINE."""
    why: str
    """One line."""
    lost: bool = False
    """Whether the worker or its machine is gone."""


def failure_of(code: int, log: Path) -> Failure:
    """What the end of a program means.

    Args:
        code: its exit code, not 0; below 0 or above 128 it is a signal's.
        log: what it has printed.
    """
    if code < 0 or code > 128:
        return Failure(MACHINE, f"the program was ended by {_signal(-code if code < 0 else code - 128)}")
    said = said_error(log)
    if code == 1 and said:
        blamed = any(words in said.lower() for words in OF_THE_MACHINE)
        return Failure(MACHINE if blamed else INPUT, printable(said))
    if code == 2:
        lines = [line for line in lines_of(log) if ": error: " in line]
        return Failure(INPUT, printable(lines[-1].partition(": error: ")[2] if lines else "its options are wrong"))
    return Failure(MACHINE, printable(last_error(log) or f"the program ended with code {code} without a word"))


def failure_of_error(error: BaseException) -> Failure:
    """What an exception around a program means: of files, of the network, or of a worker that is gone."""
    if isinstance(error, OSError) and error.errno in FULL:
        return Failure(MACHINE, "the disk is full")
    if type(error).__name__ == "OutOfMemoryError":
        return Failure(MACHINE, "the machine's memory ran out")
    gone = LOST.get(type(error).__name__)
    if gone is not None:
        return Failure(MACHINE, gone, lost=True)
    lines = str(error).strip().splitlines()  # of an exception from afar, a traceback
    return Failure(MACHINE, printable(lines[-1] if lines else one_line(error)))


def _signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"{name} (memory may have run out)" if number == signal.SIGKILL else name
