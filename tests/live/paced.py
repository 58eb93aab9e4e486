"""A session of the lamp in real time, without a server: what its seat's listeners get is what a stage would send."""

from __future__ import annotations

import asyncio
import time

from benchmarks.lamp import lamp
from live.moment import Moment
from live.seat import Seat
from live.session import Session
from live.wire import Kind, Message


class Paced:
    """One session whose seat is served by the event loop."""

    def __init__(self) -> None:
        self.session = Session(lamp())
        self.seat = Seat(1, self._obey)
        self.moments: list[Moment] = []
        self.viewers: list[bool] = []
        self._is_watched = False

    def _obey(self, message: Message) -> None:
        if message.kind == Kind.SPEAK:
            self.session.speak(message.body, message.about["rate"])
        elif message.kind == Kind.END:
            self.session.end()
        elif message.kind == Kind.INTERRUPT:
            self.session.interrupt()
        elif message.kind == Kind.WATCH:
            self._is_watched = message.about["wanted"]
            self.viewers.append(self._is_watched)

    async def play(self, frames: int) -> None:
        """Give out so many moments, one every 40 ms."""
        begin = time.monotonic()
        for number in range(frames):
            await asyncio.sleep(max(0.0, begin + number * 0.04 - time.monotonic()))
            if not self.seat.is_open:
                return
            moment = self.session.step(picture=self._is_watched)
            self.moments.append(moment)
            for listen in list(self.seat.listeners):
                listen(moment)
