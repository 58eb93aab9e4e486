"""The server's end of a stage: it starts the process, hands sessions out, and brings their moments to who listens."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from arguments.errors import EGSTalkerError
from live.child import Child
from live.peer_process import Converse, Offer, PeerProcess
from live.picture_ring import PictureRing
from live.seat import Seat
from live.stage import run_stage
from live.wire import Kind, Message, of_events, to_moment

if TYPE_CHECKING:
    from live.performer import Performer

START_SECONDS = 300.0  # to load a model, and to compile what renders it
_ENDED = "the renderer has ended; start the server again"


class StageProcess:
    """A stage in a process of its own, and the process that brings its sessions to browsers.

    Args:
        make: makes the performer, in that process: a function of a module, or a partial of one.
        most: sessions at once.
    """

    def __init__(self, make: Callable[[], Performer], most: int) -> None:
        self._make, self.most = make, most
        self._seats: dict[int, Seat] = {}
        self._numbers = itertools.count(1)
        self._child: Child | None = None
        self._peers: PeerProcess | None = None
        self._ring: PictureRing | None = None
        self.size = (0, 0)
        """Height and width of the pictures; known when it has started."""
        self.trouble: str | None = None
        """What ended it, where it was not :meth:`stop`."""

    @property
    def is_alive(self) -> bool:
        """Whether its processes are there."""
        return any(child is not None and child.is_alive for child in (self._child, self._peers))

    @property
    def pids(self) -> list[int]:
        """Of its processes."""
        return [child.pid for child in (self._child, self._peers) if child is not None]

    @property
    def open_seats(self) -> int:
        """Sessions that are open."""
        return len(self._seats)

    async def start(self) -> None:
        """Start it, and wait until it can render. Raises EGSTalkerError where it cannot."""
        self._ready: asyncio.Future[PictureRing] = asyncio.get_running_loop().create_future()
        self._child = Child(run_stage, (self._make, self.most), self._take, lambda: self._lost(_ENDED))
        try:
            self._ring = await asyncio.wait_for(self._ready, START_SECONDS)
            self._peers = PeerProcess(self._ring, self._lost)
        except (TimeoutError, asyncio.TimeoutError):
            await self.stop()
            raise EGSTalkerError(f"the model was not ready after {START_SECONDS:.0f} s") from None

    def open(self, seed: int) -> Seat:
        """A session. Raises EGSTalkerError where the stage is full, or has ended."""
        if self._child is None or self.trouble is not None:
            raise EGSTalkerError(_ENDED)
        if len(self._seats) >= self.most:
            raise EGSTalkerError(f"full: {len(self._seats)} of {self.most} sessions are open; try again later")
        seat = Seat(next(self._numbers), self._child.send)
        self._seats[seat.number] = seat
        seat.on_close.append(lambda: self._leave(seat))
        self._child.send(Message(Kind.OPEN, seat.number, {"seed": seed}))
        return seat

    def holds(self, seat: Seat) -> bool:
        """Whether a session is one of its own."""
        return self._seats.get(seat.number) is seat

    async def answer(self, seat: Seat, offer: Offer, converse: Converse) -> str:
        """As :meth:`live.peer_process.PeerProcess.answer`, of one of its sessions."""
        if self._peers is None or self.trouble is not None:
            raise EGSTalkerError(_ENDED)
        return await self._peers.answer(seat, offer, converse)

    async def stop(self) -> None:
        """End all sessions and the processes."""
        for seat in list(self._seats.values()):
            seat.close()
        await asyncio.gather(*(child.stop() for child in (self._peers, self._child) if child is not None))
        if self._ring is not None:
            self._ring.forget()
            self._ring.close()
            self._ring = None

    def _leave(self, seat: Seat) -> None:
        self._seats.pop(seat.number, None)

    def _take(self, message: Message) -> None:
        seat = self._seats.get(message.session)
        if message.kind == Kind.MOMENT and seat is not None:
            self._hand_on(message, seat)
        elif message.kind == Kind.REFUSED and seat is not None:
            for tell in seat.refusals:
                tell(message.about["why"])
        elif message.kind == Kind.READY and not self._ready.done():
            self.size = message.about["height"], message.about["width"]
            self._ready.set_result(PictureRing.attach(message.about["ring"], message.about["bytes"]))
        elif message.kind == Kind.FAILED:
            self._lost(message.about["why"])

    def _hand_on(self, message: Message, seat: Seat) -> None:
        for relay in list(seat.relays):
            relay(message)
        if seat.listeners and self._ring is not None:
            moment = to_moment(message, self._ring)
            for listen in list(seat.listeners):
                listen(moment)
        for event in of_events(message):
            for hear in list(seat.hearers):
                hear(event, message.about["frame"])

    def _lost(self, why: str) -> None:
        if self.trouble is not None:
            return
        self.trouble = why
        if not self._ready.done():
            self._ready.set_exception(EGSTalkerError(why))
        for seat in list(self._seats.values()):
            for tell in seat.refusals:
                tell(why)
            seat.ended()
