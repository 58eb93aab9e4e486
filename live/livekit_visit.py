"""One stay of a session's head in a LiveKit room: whose avatar it is, what it is told and what it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

from arguments.errors import EGSTalkerError, one_line
from live.livekit_room import ByteStream, Invocation, Media, Participant, Room
from live.livekit_speech import Playback, Speech
from live.moment_queue import MomentQueue
from live.seat import Seat

AUDIO_TOPIC = "lk.audio_stream"
CLEAR, STARTED, FINISHED = "lk.clear_buffer", "lk.playback_started", "lk.playback_finished"
ON_BEHALF = "lk.publish_on_behalf"
AGENT_KIND = 4  # rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
AWAY_SECONDS = 30.0  # for which an agent that is not there is waited for
_TRIES = 3  # of a call


class Visit:
    """A stay in a room. All of it is for the event loop.

    Args:
        room: that is not entered yet.
        seat: of the session.
        say: is given lines that tell of what went wrong and was passed over.
        away_seconds: for which an agent that is not there is waited for.
    """

    def __init__(self, room: Room, seat: Seat, say: Callable[[str], None], away_seconds: float) -> None:
        self._room, self._seat, self._say, self._away_seconds = room, seat, say, away_seconds
        self._speech = Speech(seat, self._started, self._finished, self._refused)
        self._agent: str | None = None
        self._words: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._changes = asyncio.Event()
        self._is_closed = False
        room.register_byte_stream_handler(AUDIO_TOPIC, self._hear)  # before it is entered: none is kept for later
        room.on("participant_connected", lambda participant: self._changes.set())
        room.on("participant_attributes_changed", lambda changed, participant: self._changes.set())
        room.on("participant_disconnected", self._left)
        room.on("disconnected", self._closed)

    def enter(self) -> None:
        """Be ready for the agent, which waits for the tracks to be there."""
        local = self._room.local_participant
        local.register_rpc_method(CLEAR, self._clear)
        self._agent = local.attributes.get(ON_BEHALF)

    async def stay(self, media: Media) -> None:
        """Come back when the session is over, the room is closed or the agent has left it."""
        work: list[Coroutine[Any, Any, None]] = [
            self._speech.run(), self._call(), self._show(media), self._attend(),
        ]  # fmt: skip
        tasks = [asyncio.ensure_future(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    def leave(self) -> None:
        """Let go of the session."""
        self._speech.close()

    async def _attend(self) -> None:
        local = self._room.local_participant
        has_come, deadline = False, asyncio.get_running_loop().time() + self._away_seconds
        while not self._is_closed:
            self._changes.clear()
            if self._is_there():
                if not has_come and ON_BEHALF not in local.attributes:
                    await local.set_attributes({ON_BEHALF: cast(str, self._agent)})
                has_come = True
                await self._changes.wait()
                deadline = asyncio.get_running_loop().time() + self._away_seconds
                continue
            try:
                await asyncio.wait_for(self._changes.wait(), deadline - asyncio.get_running_loop().time())
            except (TimeoutError, asyncio.TimeoutError):
                break
        if has_come:
            self._say("the LiveKit room is closed" if self._is_closed else "the agent has left the LiveKit room")
        elif self._is_closed:
            raise EGSTalkerError("the LiveKit room was closed before an agent came")
        else:
            who = f"the agent {self._agent!r}" if self._agent else "an agent"
            raise EGSTalkerError(
                f"{who} has not come into the LiveKit room in {self._away_seconds:.0f} s: start it, and the avatar "
                f"with a token whose attribute {ON_BEHALF} is its identity"
            )

    def _is_there(self) -> bool:
        others = self._room.remote_participants
        if self._agent is None:  # the token has not said whose avatar this is
            self._agent = next((one.identity for one in others.values() if _is_agent(one)), None)
        return self._agent in others

    async def _show(self, media: Media) -> None:
        queue, unwatch = MomentQueue(self._seat), self._seat.watch()
        try:
            while (moment := await queue.get()) is not None:
                await media.put(moment)
        finally:
            queue.close()
            unwatch()

    async def _call(self) -> None:
        """Tell the agent, in turn, what it waits for."""
        while True:
            method, payload = await self._words.get()
            for attempt in range(_TRIES):
                if self._agent not in self._room.remote_participants:
                    break
                try:
                    await self._room.local_participant.perform_rpc(
                        destination_identity=cast(str, self._agent), method=method, payload=payload
                    )
                    break
                except Exception as error:  # RpcError, and what else the package raises
                    if method == STARTED:  # most agents do not ask for it
                        break
                    if attempt == _TRIES - 1:
                        self._say(f"the agent does not answer {method}: {one_line(error):.100}")
                    await asyncio.sleep(0.1)

    def _started(self) -> None:
        self._words.put_nowait((STARTED, ""))

    def _finished(self, playback: Playback) -> None:
        payload = {"playback_position": playback.position, "interrupted": playback.interrupted}
        self._words.put_nowait((FINISHED, json.dumps(payload)))

    def _refused(self, why: str) -> None:
        self._say(f"the agent's speech is not said: {why}")

    def _hear(self, stream: ByteStream, sender: str) -> None:
        if self._is_there() and sender == self._agent:
            self._speech.add(stream)

    def _clear(self, call: Invocation) -> str:
        if call.caller_identity != self._agent:
            return "reject"
        self._speech.clear()
        return "ok"

    def _left(self, participant: Participant) -> None:
        if participant.identity == self._agent:
            self._speech.clear()
        self._changes.set()

    def _closed(self, reason: object = None) -> None:
        self._is_closed = True
        self._changes.set()


def _is_agent(participant: Participant) -> bool:
    return participant.kind == AGENT_KIND and ON_BEHALF not in participant.attributes  # and no other avatar
