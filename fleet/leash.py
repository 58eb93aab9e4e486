"""Runs a program that ends with whoever asked for it: ``python leash.py PARENT GRACE PROGRAM ARGUMENT...``.

A worker that is killed can end nobody. So the program runs in a session of its own below this process, which looks
whether PARENT is still its parent. When that is gone, or on SIGTERM, the program is asked to end (a training saves what
it has learnt) and, after GRACE seconds, killed with all that it has started. On Linux the system kills the program if
this process itself is killed. Its temporary files go with it, however it ends: it has a folder of its own for them.
The exit code is the program's; 128 and the signal's number where a signal ended it.

Ray kills a worker's children and its process group at once, where the worker ends. So there are two of this process:
one, the worker's child, only passes on what is asked and what comes of it; the other, in a session of its own, holds
the program and takes the end of the first for that of the worker.

It is run by its path, not as a module, and imports nothing of the checkout: it is there before anything else is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from types import FrameType

LOOK_EVERY = 0.25  # seconds
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
PRCTL = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def main() -> int:
    """Run the program of the command line."""
    parent, grace, program = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    signal.signal(signal.SIGINT, _nothing)  # a terminal's Ctrl-C is for the driver; a handler, as SIG_IGN is inherited
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # those that started us may block some
    us = os.getpid()
    holder = os.fork()
    if holder == 0:
        os.setsid()
        return _hold(program, grace, asked, us)
    return _pass_on(holder, asked, parent)


def _pass_on(holder: int, asked: list[int], parent: int) -> int:
    """Wait for the process that holds the program, as long as the parent is there."""
    while os.getppid() == parent:
        if asked:
            asked.clear()
            os.kill(holder, signal.SIGTERM)
        pid, status = os.waitpid(holder, os.WNOHANG)
        if pid:
            return _exit_code(os.waitstatus_to_exitcode(status))
        time.sleep(LOOK_EVERY / 5)
    return 1  # to nobody; the holder sees that we are gone


def _hold(program: list[str], grace: float, asked: list[int], parent: int) -> int:
    """Run the program until it ends, or until it is to end."""
    with tempfile.TemporaryDirectory(prefix="egstalker-", ignore_cleanup_errors=True) as temporary:
        child = subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": temporary},
            start_new_session=True,
            preexec_fn=_die_with_parent if PRCTL else None,
        )
        while child.poll() is None:
            if asked or os.getppid() != parent:
                _end(child, grace)
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(LOOK_EVERY)
        _kill_group(child)  # workers that it left
        return _exit_code(child.wait())


def _exit_code(code: int) -> int:
    return 128 - code if code < 0 else code


def _nothing(number: int, _: FrameType | None) -> None:
    return


def _die_with_parent() -> None:
    assert PRCTL is not None
    PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end(child: subprocess.Popen[bytes], grace: float) -> None:
    # The program alone: what it has started is its own to end.
    child.terminate()
    deadline = time.monotonic() + grace
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(LOOK_EVERY)
    _kill_group(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
