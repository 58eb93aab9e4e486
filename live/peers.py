"""WebRTC peers in a process of their own: packing and encoding for a few sessions keeps a core busy."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from aiortc import RTCDataChannel

from arguments.errors import EGSTalkerError
from live.picture_ring import PictureRing
from live.seat import Seat
from live.webrtc import Viewer
from live.wire import Kind, Message, packed, to_moment, unpacked

_PARTING_SECONDS = 2.0  # in which connections are closed as they should be


class Peers:
    """The peers of a stage's sessions. All of it is for the event loop.

    Args:
        connection: to the server.
        ring: where the stage's pictures lie.
    """

    def __init__(self, connection: Connection, ring: PictureRing) -> None:
        self._connection, self._ring = connection, ring
        self._seats: dict[int, Seat] = {}
        self._channels: dict[int, RTCDataChannel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = asyncio.Event()

    async def serve(self) -> None:
        """Do what the server says, until it says no more."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            """On a thread of its own: a pipe that is not emptied would hold the server up."""
            with suppress(EOFError, OSError, RuntimeError):  # the server, or this loop, has gone
                while True:
                    loop.call_soon_threadsafe(self._take, unpacked(self._connection.recv_bytes()))
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._is_over.set)

        threading.Thread(target=read, daemon=True).start()
        self._send(Message(Kind.READY))
        await self._is_over.wait()
        for seat in list(self._seats.values()):
            seat.ended()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PARTING_SECONDS)

    def _send(self, message: Message) -> None:
        with suppress(OSError):  # the server has gone: reading ends as well
            self._connection.send_bytes(packed(message))

    def _take(self, message: Message) -> None:
        number = message.session
        if message.kind == Kind.STOP:
            self._is_over.set()
        elif message.kind == Kind.OFFER:
            self._keep(self._answer(number, message.body.decode(), listens=message.about["listens"]))
        elif number in self._seats:
            self._obey(self._seats[number], message)

    def _obey(self, seat: Seat, message: Message) -> None:
        channel = self._channels.get(seat.number)
        if message.kind == Kind.MOMENT and seat.listeners:
            moment = to_moment(message, self._ring)
            for listen in list(seat.listeners):
                listen(moment)
        elif message.kind == Kind.WORDS and channel is not None and channel.readyState == "open":
            channel.send(message.body.decode())
        elif message.kind == Kind.CLOSE:
            seat.ended()

    async def _answer(self, number: int, sdp: str, *, listens: bool) -> None:
        seat = self._seats[number] = Seat(number, self._send)
        seat.on_close.append(lambda: self._forget(number))
        viewer = Viewer(seat, lambda channel: self._converse(number, channel), self._keep, listens=listens)
        try:
            answer = await viewer.answer(sdp)
            self._send(Message(Kind.ANSWER, number, body=answer.encode()))
        except EGSTalkerError as error:
            self._send(Message(Kind.REFUSED, number, {"why": str(error)}))

    def _converse(self, number: int, channel: RTCDataChannel) -> None:
        def receive(words: str | bytes) -> None:
            self._send(Message(Kind.WORDS, number, body=words.encode() if isinstance(words, str) else words))

        self._channels[number] = channel
        self._send(Message(Kind.CHANNEL, number))
        channel.on("message", receive)

    def _forget(self, number: int) -> None:
        self._seats.pop(number, None)
        self._channels.pop(number, None)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def run_peers(connection: Connection, ring: str, size: int) -> None:
    """The whole of the peers' process: it ends when it is told to, or when the server is gone.

    Args:
        connection: to the server.
        ring: name of the ring of pictures.
        size: bytes of the largest of them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server's to answer

    async def serve() -> None:
        await Peers(connection, PictureRing.attach(ring, size)).serve()

    asyncio.run(serve())
