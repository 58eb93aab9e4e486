"""Real time for a session: a moment every 40 ms, and after a stall the sound where it has to be.

What holds things up - a renderer or a consumer that is slow - costs pictures: while the clock is behind, moments come
without, as fast as they can, until their sound is where it would have been. So sound comes late by what a picture
takes, 40 ms more at most: who plays it keeps as much in stock. After half a second in which nothing came - the machine
was busy elsewhere, or slept - nothing is caught up: moments' numbers go on with the time, and the session where it was.
A receiver that is given two seconds of sound at once plays them faster, and its pictures do not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from arguments.clock import FPS
from arguments.errors import EGSTalkerError

T = TypeVar("T", covariant=True)


@runtime_checkable
class Source(Protocol[T]):
    """What gives moments: a session, or several at once."""

    def prepare(self) -> None:
        """Do ahead what can be done of the next one."""

    def step(self, *, picture: bool = True) -> T:
        """The next moment."""

    def skip(self, moments: int) -> None:
        """Let so many moments pass that are never asked for: what is said waits, and the next one's number is later."""


TOLERANCE = 1 / FPS  # seconds behind, up to which there is time for a picture
LOOKING = 0.005  # seconds between looks for sound that has come
LONGEST_STALL = 0.5  # seconds, that are caught up


class Clock(Generic[T]):
    """Asks a session for its moments in time and hands them to a sink, on a thread of its own.

    Args:
        session: that nobody else asks.
        sink: takes each moment; it may take its time, at the cost of pictures.
        now: seconds of a clock that never goes back.
        wait: waits for so many seconds or until it is stopped; by an event's ``wait`` if None.

    Example:
        >>> from contextlib import closing
        >>> from live.moment import Moment
        >>> def talk(session: Source[Moment], sink: Callable[[Moment], None]) -> None:
        ...     with closing(Clock(session, sink)) as clock:
        ...         clock.start()
    """

    def __init__(
        self,
        session: Source[T],
        sink: Callable[[T], object],
        *,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._session, self._sink, self._now = session, sink, now
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._thread = threading.Thread(target=self._guarded, name="live clock", daemon=True)
        self.error: BaseException | None = None
        """What ended it, if something did."""

    def start(self) -> None:
        """Begin with the session's next moment, now."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the moment that is being made, and wait for that.

        Raises:
            EGSTalkerError: something had ended the clock before.
        """
        self._stopped.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self.error is not None:
            raise EGSTalkerError(f"the session has ended: {self.error}") from self.error

    @property
    def is_running(self) -> bool:
        """Whether moments come."""
        return self._thread.is_alive()

    def run(self) -> None:
        """Give moments out until it is stopped, on this thread."""
        begin, number = self._now(), 0
        while not self._stopped.is_set():
            due = begin + number / FPS
            early = due - self._now()
            if early > 0:
                self._session.prepare()
                self._wait(min(max(due - self._now(), 0.0), LOOKING))
                continue
            if -early > LONGEST_STALL:
                lost = int(-early * FPS)
                self._session.skip(lost)
                number += lost
                early = 0.0
            self._sink(self._session.step(picture=-early < TOLERANCE))
            number += 1

    def _guarded(self) -> None:
        try:
            self.run()
        except Exception as error:
            self.error = error
