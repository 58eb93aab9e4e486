"""The server's end of a stage: it starts the process, hands sessions out, and brings their moments to who listens."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from arguments.errors import EGSTalkerError
from live.moment import Moment
from live.picture_ring import PictureRing
from live.wire import Kind, Message, packed, to_moment, unpacked

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from live.performer import Performer

Listener = Callable[[Moment], None]
START_SECONDS = 300.0  # to load a model, and to compile what renders it
STOP_SECONDS = 5.0


class Seat:
    """One session of a stage. All of it is for the server's event loop.

    Attributes:
        number: of the session on its stage, from 1 on.
        listeners: take each of its moments.
        refusals: take the line that says why something was not done.
        on_close: are called once, when it ends, whoever ended it.
        is_open: whether moments come.
    """

    def __init__(self, number: int, send: Callable[[Message], None]) -> None:
        self.number, self._send = number, send
        self.listeners: list[Listener] = []
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


class StageProcess:
    """A stage in a process of its own.

    Args:
        make: makes the performer, in that process: a function of a module, or a partial of one.
        most: sessions at once.
    """

    def __init__(self, make: Callable[[], Performer], most: int) -> None:
        self._make, self.most = make, most
        self._seats: dict[int, Seat] = {}
        self._numbers = itertools.count(1)
        self._connection: Connection | None = None
        self._process: BaseProcess | None = None
        self._ring: PictureRing | None = None
        self.size = (0, 0)
        """Height and width of the pictures; known when it has started."""
        self.trouble: str | None = None
        """What ended it, where it was not :meth:`stop`."""
        self._is_stopping = False

    @property
    def is_started(self) -> bool:
        """Whether there has been a process."""
        return self._process is not None

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int:
        """Of its process; 0 before it is started."""
        return 0 if self._process is None else int(self._process.pid or 0)

    @property
    def open_seats(self) -> int:
        """Sessions that are open."""
        return len(self._seats)

    async def start(self) -> None:
        """Start it, and wait until it can render. Raises EGSTalkerError where it cannot."""
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[tuple[int, int]] = self._loop.create_future()
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        from live.stage import run_stage

        self._process = context.Process(target=run_stage, args=(theirs, self._make, self.most), daemon=True)
        self._process.start()
        theirs.close()
        self._reader = threading.Thread(target=self._read, args=(self._connection,), daemon=True)
        self._reader.start()
        try:
            self.size = await asyncio.wait_for(self._ready, START_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            await self.stop()
            raise EGSTalkerError(f"the model was not ready after {START_SECONDS:.0f} s") from None

    def open(self, seed: int) -> Seat:
        """A session. Raises EGSTalkerError where the stage is full, or has ended."""
        if self._connection is None:
            raise EGSTalkerError("the renderer has ended; start the server again")
        if len(self._seats) >= self.most:
            raise EGSTalkerError(f"full: {len(self._seats)} of {self.most} sessions are open; try again later")
        seat = Seat(next(self._numbers), self._send)
        self._seats[seat.number] = seat
        seat.on_close.append(lambda: self._leave(seat))
        self._send(Message(Kind.OPEN, seat.number, {"seed": seed}))
        return seat

    async def stop(self) -> None:
        """End all sessions and the process."""
        for seat in list(self._seats.values()):
            seat.close()
        self._is_stopping = True
        self._send(Message(Kind.STOP))
        self._connection = None
        await asyncio.to_thread(self._end)
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def _leave(self, seat: Seat) -> None:
        self._seats.pop(seat.number, None)

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _send(self, message: Message) -> None:
        if self._connection is not None:
            try:
                self._connection.send_bytes(packed(message))
            except OSError:
                self._lost("the renderer has ended; start the server again")

    def _read(self, connection: Connection) -> None:
        """What the stage says, on a thread of its own: a pipe that is not emptied would hold the stage up."""
        while True:
            try:
                message = unpacked(connection.recv_bytes())
            except (EOFError, OSError):
                self._tell(self._lost, "the renderer has ended; start the server again")
                return
            self._tell(self._take, message)

    def _tell(self, function: Callable[..., None], *words: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *words)

    def _take(self, message: Message) -> None:
        seat = self._seats.get(message.session)
        if message.kind == Kind.MOMENT and seat is not None and self._ring is not None:
            moment = to_moment(message, self._ring)
            for listen in list(seat.listeners):
                listen(moment)
        elif message.kind == Kind.REFUSED and seat is not None:
            for tell in seat.refusals:
                tell(message.about["why"])
        elif message.kind == Kind.READY and not self._ready.done():
            height, width = message.about["height"], message.about["width"]
            self._ring = PictureRing.attach(message.about["ring"], height * width * 4)
            self._ready.set_result((height, width))
        elif message.kind == Kind.FAILED:
            self._lost(message.about["why"])

    def _lost(self, why: str) -> None:
        if self._is_stopping or self.trouble is not None:
            return
        self._connection, self.trouble = None, why
        if not self._ready.done():
            self._ready.set_exception(EGSTalkerError(why))
        for seat in list(self._seats.values()):
            for tell in seat.refusals:
                tell(why)
            seat.ended()
