"""Several stages of one person as one: each hears a few sessions on a core of its own, and renders them together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from arguments.errors import EGSTalkerError
from live.peer_process import Converse, Offer
from live.seat import Seat
from live.stage_process import StageProcess

if TYPE_CHECKING:
    from live.performer import Performer

SESSIONS = 2
"""Of a stage: on a slow core hearing takes 9 of a session's 40 ms, and pictures have to be made in the rest of them."""


class Stages:
    """As many stages as so many sessions take.

    Args:
        make: as of :class:`StageProcess`.
        most: sessions at once, of all stages.
    """

    def __init__(self, make: Callable[[], Performer], most: int) -> None:
        self.most = most
        count = -(-most // SESSIONS)
        self.stages = [StageProcess(make, most // count + (i < most % count)) for i in range(count)]

    @property
    def open_seats(self) -> int:
        """Sessions that are open."""
        return sum(stage.open_seats for stage in self.stages)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures; known when they have started."""
        return self.stages[0].size

    @property
    def pids(self) -> list[int]:
        """Of their processes."""
        return [pid for stage in self.stages for pid in stage.pids]

    @property
    def trouble(self) -> str | None:
        """What ended one of them, if something did."""
        return next((stage.trouble for stage in self.stages if stage.trouble is not None), None)

    async def start(self) -> None:
        """Start all, the first alone: it compiles what the others find. Raises as :meth:`StageProcess.start`."""
        try:
            await self.stages[0].start()
            await asyncio.gather(*(stage.start() for stage in self.stages[1:]))
        except EGSTalkerError:
            await self.stop()
            raise

    def open(self, seed: int) -> Seat:
        """A session, where the fewest are. Raises EGSTalkerError where all stages are full."""
        if self.open_seats >= self.most:
            raise EGSTalkerError(f"full: {self.open_seats} of {self.most} sessions are open; try again later")
        return min(self.stages, key=lambda stage: stage.open_seats / stage.most).open(seed)

    async def answer(self, seat: Seat, offer: Offer, converse: Converse) -> str:
        """As :meth:`live.peer_process.PeerProcess.answer`, of one of their sessions."""
        return await next(stage for stage in self.stages if stage.holds(seat)).answer(seat, offer, converse)

    async def stop(self) -> None:
        """End all sessions and processes."""
        await asyncio.gather(*(stage.stop() for stage in self.stages))
