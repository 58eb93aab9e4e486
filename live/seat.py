"""One session, as it is used far from its stage: what is asked of it goes out as messages, and its moments come in."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from live.moment import Event, Moment
from live.wire import Kind, Message


class Seat:
    """One session of a stage. All of it is for the server's event loop.

    Attributes:
        number: of the session on its stage, from 1 on.
        listeners: take each of its moments.
        hearers: take each event of an utterance, and the number of the frame that it came with.
        relays: take each moment as the stage sent it, whose picture is still where it lies.
        refusals: take the line that says why something was not done.
        on_close: are called once, when it ends, whoever ended it.
        is_open: whether moments come.
    """

    def __init__(self, number: int, send: Callable[[Message], None]) -> None:
        self.number, self._send = number, send
        self.listeners: list[Callable[[Moment], None]] = []
        self.hearers: list[Callable[[Event, int], None]] = []
        self.relays: list[Callable[[Message], None]] = []
        self.refusals: list[Callable[[str], None]] = []
        self.on_close: list[Callable[[], None]] = []
        self.is_open = True
        self._viewers = 0

    def speak(self, pcm: bytes, rate: int) -> None:
        """As :meth:`live.session.Session.speak`, of 16-bit mono PCM; what is refused is said to ``refusals``."""
        self._ask(Kind.SPEAK, {"rate": rate}, pcm)

    def end(self) -> None:
        """As :meth:`live.session.Session.end`."""
        self._ask(Kind.END)

    def interrupt(self) -> None:
        """As :meth:`live.session.Session.interrupt`."""
        self._ask(Kind.INTERRUPT)

    def watch(self) -> Callable[[], None]:
        """Pictures are wanted until what is returned is called."""
        self._viewers += 1
        self._ask(Kind.WATCH, {"wanted": True})
        left = itertools.count()

        def leave() -> None:
            if next(left) == 0:
                self._viewers -= 1
                if not self._viewers:
                    self._ask(Kind.WATCH, {"wanted": False})

        return leave

    def close(self) -> None:
        """End the session."""
        if self.is_open:
            self._ask(Kind.CLOSE)
            self.ended()

    def ended(self) -> None:
        """It is over; said once to all that wait for it."""
        if self.is_open:
            self.is_open = False
            for tell in list(self.on_close):
                tell()

    def _ask(self, kind: Kind, about: dict[str, object] | None = None, body: bytes = b"") -> None:
        if self.is_open:
            self._send(Message(kind, self.number, about or {}, body))
