"""Texts that a session says by a voice: sentence by sentence, so that the first is heard while the second is made."""

from __future__ import annotations

import asyncio
import threading

import numpy as np

from arguments.errors import EGSTalkerError
from live.seat import Seat
from synthesis.voices import Voice

LONGEST = 5000  # characters of a text


class Reader:
    """Reads texts out in one session, one after the other. It is for the server's event loop.

    Args:
        seat: of the session.
        voice: that reads.
    """

    def __init__(self, seat: Seat, voice: Voice) -> None:
        self._seat, self._voice = seat, voice
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._stop = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        seat.on_close.append(self.interrupt)

    def read(self, text: str) -> None:
        """Say a text after those before it. Raises EGSTalkerError where it is too long."""
        if len(text) > LONGEST:
            raise EGSTalkerError(f"a text has at most {LONGEST} characters; send it in parts")
        task = asyncio.ensure_future(self._read(text, self._stop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def interrupt(self) -> None:
        """Read nothing more of what was given."""
        self._stop.set()
        self._stop = threading.Event()

    async def _read(self, text: str, stop: threading.Event) -> None:
        async with self._turn:
            try:
                await asyncio.to_thread(self._speak, text, stop)
            except EGSTalkerError as error:
                for tell in self._seat.refusals:
                    tell(str(error))
            if not stop.is_set():
                self._seat.end()

    def _speak(self, text: str, stop: threading.Event) -> None:
        for piece in self._voice.speak(text):
            if stop.is_set():
                return
            pcm = np.rint(piece.clip(-1, 1) * 32767).astype("<i2").tobytes()
            self._loop.call_soon_threadsafe(self._give, pcm, stop)

    def _give(self, pcm: bytes, stop: threading.Event) -> None:
        if not stop.is_set():
            self._seat.speak(pcm, self._voice.rate)
