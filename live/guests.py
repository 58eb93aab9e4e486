"""Guests of a server: those who have a session of their own while it runs, without having come by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from live.seat import Seat

Guest = Callable[[Seat, tuple[int, int]], Awaitable[None]]
"""Is given the seat of its session and the height and width of its pictures. It comes back when the session is over,
and is given another one, or when it wants no more, and the server ends."""
PARTING_SECONDS = 6.0  # in which guests may send what they hold when the server ends


class Guests:
    """The guests of one server. All of it is for the event loop.

    Args:
        guests: by the names of their sessions.
        open_seat: opens a session of a name. Raises EGSTalkerError where it cannot.
        stop: ends the server.
    """

    def __init__(self, guests: Mapping[str, Guest], open_seat: Callable[[str], Seat], stop: Callable[[], None]) -> None:
        self._guests, self._open_seat, self._stop = guests, open_seat, stop
        self._tasks: list[asyncio.Future[None]] = []
        self._is_over = False

    def welcome(self, size: tuple[int, int]) -> None:
        """Begin their sessions, of pictures of a height and width."""
        self._tasks = [asyncio.ensure_future(self._serve(*guest, size)) for guest in self._guests.items()]

    def dismiss(self) -> None:
        """Give out no more sessions; those that are open are closed by the stage."""
        self._is_over = True

    async def part(self) -> None:
        """Wait until their sessions have ended. Raises what one of them could not go on for."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=PARTING_SECONDS)
        for task in late:
            task.cancel()
        for end in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(end, Exception):
                raise end

    async def _serve(self, name: str, guest: Guest, size: tuple[int, int]) -> None:
        try:
            while not self._is_over:
                seat = self._open_seat(name)
                try:
                    await guest(seat, size)
                    if seat.is_open:
                        return
                finally:
                    seat.close()
        finally:
            self._stop()
