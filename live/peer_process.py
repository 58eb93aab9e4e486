"""The server's end of a process of WebRTC peers: it hands offers and moments over, and takes what browsers say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arguments.errors import EGSTalkerError
from live.child import Child
from live.peers import run_peers
from live.picture_ring import PictureRing
from live.protocol import Say
from live.seat import Seat
from live.wire import Kind, Message

Converse = Callable[[Say], Callable[[bytes], None]]
"""Is given what says a message to a browser that has opened a data channel, and gives what takes the browser's."""
ANSWER_SECONDS = 60.0
_ENDED = "the process of the network's peers has ended; start the server again"


@dataclass(frozen=True)
class Offer:
    """What a browser offers."""

    sdp: str
    listens: bool
    """Whether the session says what the browser's microphone hears."""


@dataclass
class _Peer:
    seat: Seat
    converse: Converse
    answer: asyncio.Future[str]
    receive: Callable[[bytes], None] | None = None
    leave: Callable[[], None] = lambda: None


class PeerProcess:
    """The peers of one stage's sessions, in a process of their own. All of it is for the event loop.

    Args:
        ring: where the stage's pictures lie.
        lost: is told why, when the process has ended by itself.
    """

    def __init__(self, ring: PictureRing, lost: Callable[[str], None]) -> None:
        self._peers: dict[int, _Peer] = {}
        self._ring = ring
        self._child = Child(run_peers, (ring.name, ring.size), self._take, lambda: lost(_ENDED))

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._child.is_alive

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    async def answer(self, seat: Seat, offer: Offer, converse: Converse) -> str:
        """The SDP that answers an offer; from then on the session ends with the connection.

        Args:
            seat: of the session, which is closed where there is no answer.
            offer: of the browser.
            converse: talks to it, when it has opened its data channel.

        Raises:
            EGSTalkerError: the offer is none, or one that has no picture and sound to receive.
        """
        peer = _Peer(seat, converse, asyncio.get_running_loop().create_future())
        self._peers[seat.number] = peer
        seat.relays.append(self._child.send)
        seat.on_close.append(lambda: self._leave(seat.number))
        self._child.send(Message(Kind.OFFER, seat.number, {"listens": offer.listens}, offer.sdp.encode()))
        try:
            return await asyncio.wait_for(peer.answer, ANSWER_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            raise EGSTalkerError("the offer was not answered in time") from None
        finally:
            if not peer.answer.done() or peer.answer.cancelled() or peer.answer.exception() is not None:
                seat.close()

    async def stop(self) -> None:
        """End all connections and the process."""
        await self._child.stop()

    def _leave(self, number: int) -> None:
        peer = self._peers.pop(number)
        if not peer.answer.done():
            peer.answer.set_exception(EGSTalkerError("the session ended before the offer was answered"))
        self._child.send(Message(Kind.CLOSE, number))

    def _take(self, message: Message) -> None:
        if message.kind == Kind.READY:
            self._ring.forget()
            return
        peer = self._peers.get(message.session)
        if peer is not None:  # it may have ended while this was under way
            self._obey(peer, message)

    def _obey(self, peer: _Peer, message: Message) -> None:
        if message.kind == Kind.ANSWER and not peer.answer.done():
            peer.answer.set_result(message.body.decode())
        elif message.kind == Kind.REFUSED and not peer.answer.done():
            peer.answer.set_exception(EGSTalkerError(message.about["why"]))
        elif message.kind == Kind.WATCH:
            peer.leave()
            peer.leave = peer.seat.watch() if message.about["wanted"] else lambda: None
        elif message.kind == Kind.SPEAK:
            peer.seat.speak(message.body, message.about["rate"])
        elif message.kind == Kind.END:
            peer.seat.end()
        elif message.kind == Kind.CLOSE:
            peer.seat.close()
        elif message.kind == Kind.CHANNEL:
            peer.receive = peer.converse(lambda words: self._say(message.session, words))
        elif message.kind == Kind.WORDS and peer.receive is not None:
            peer.receive(message.body)

    def _say(self, number: int, words: Mapping[str, Any]) -> None:
        self._child.send(Message(Kind.WORDS, number, body=json.dumps(words).encode()))
