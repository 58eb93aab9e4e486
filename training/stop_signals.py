"""Signals that ask a training to end: looked at between iterations, never inside one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from arguments.errors import Interrupted

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
AGAIN = b"\nstopping after this iteration; Ctrl-C again ends at once, without saving\n"
STDERR = 2


class StopSignals:
    """Which signal has come. Until :meth:`deferred`, a signal raises Interrupted where it comes."""

    def __init__(self) -> None:
        self._deferring = False
        self._asked: int | None = None

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside the context, a signal is kept until :meth:`check`; only a second Ctrl-C ends the command at once."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._asked is not None:
            raise _interrupted(self._asked)

    def handle(self, number: int, _: FrameType | None) -> None:
        """What :func:`stop_signals` installs."""
        if not self._deferring:
            raise _interrupted(number)
        if self._asked == number == signal.SIGINT:
            raise AtOnce(
                number, "interrupted at once, without saving; run the same command again to go on from its checkpoint"
            )
        if number == signal.SIGINT and os.isatty(STDERR):
            os.write(STDERR, AGAIN)  # print must not be called in a handler: it may have been interrupted itself
        self._asked = number


class AtOnce(Interrupted):
    """The second Ctrl-C: an iteration may be half done."""


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Answer Ctrl-C, SIGTERM and SIGHUP inside the context; what answered them before does so again afterwards.

    A signal that is ignored (nohup, a background shell) stays so. Outside the main thread, which alone gets signals,
    nothing is installed.
    """
    signals = StopSignals()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupted(number: int) -> Interrupted:
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    return Interrupted(number, f"{how}; run the same command again to go on")
