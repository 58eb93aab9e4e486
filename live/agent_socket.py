"""An agent on a WebSocket: its messages in, events and, where it wants them, moments out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from live.media_messages import media_message
from live.moment_queue import MomentQueue
from live.protocol import Protocol, Say
from live.seat import Seat

WAITING = 1000  # messages to somebody who does not read, before the session ends
_GONE = (WebSocketDisconnect, RuntimeError)  # what starlette raises where the other side has left


async def talk(agent: WebSocket, seat: Seat, protocol_of: Callable[[Say], Protocol], *, with_media: bool) -> None:
    """Let an agent and a session talk until one of them leaves.

    Args:
        agent: that has been accepted; it is closed in the end.
        seat: of the session, which goes on if it can.
        protocol_of: given what says a message to the agent.
        with_media: whether moments are sent as well.
    """
    outbox: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    def say(message: Mapping[str, Any]) -> None:
        outbox.put_nowait(message)
        if outbox.qsize() > WAITING:
            seat.close()

    protocol = protocol_of(say)
    work = [_words_in(agent, protocol), _words_out(agent, seat, outbox)]
    if with_media:
        work.append(_media_out(agent, seat))
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        protocol.leave()
        with suppress(*_GONE):
            await agent.close()
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, _GONE):
            raise end


async def _words_in(agent: WebSocket, protocol: Protocol) -> None:
    while True:
        message = await agent.receive()
        if message["type"] == "websocket.disconnect":
            return
        protocol.receive(message.get("text") or message.get("bytes") or b"")


async def _words_out(agent: WebSocket, seat: Seat, outbox: asyncio.Queue[Mapping[str, Any]]) -> None:
    while seat.is_open or not outbox.empty():
        await agent.send_json(await outbox.get())


async def _media_out(agent: WebSocket, seat: Seat) -> None:
    queue, unwatch = MomentQueue(seat), seat.watch()
    try:
        while (moment := await queue.get()) is not None:
            await agent.send_bytes(await asyncio.to_thread(media_message, moment))
    finally:
        queue.close()
        unwatch()
