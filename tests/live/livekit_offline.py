"""A LiveKit room without a server: livekit.rtc's own room and streams, given the events that a server's would bring.

What goes out to the network is kept instead: calls go to the agent of the same process.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from livekit import rtc
from livekit.rtc._proto import participant_pb2, room_pb2

from live.moment import Moment

AGENT = "agent-x"


def _owned(identity: str, kind: int = 0, attributes: dict[str, str] | None = None) -> Any:
    info: dict[str, Any] = {
        "sid": f"PA_{identity}",
        "name": identity,
        "identity": identity,
        "kind": kind,
        "state": 0,
        "disconnect_reason": 0,
    }
    owned: Any = participant_pb2.OwnedParticipant()
    owned.info.MergeFrom(participant_pb2.ParticipantInfo(**info, metadata=""))
    owned.info.attributes.update(attributes or {})
    owned.info.permission.SetInParent()
    owned.handle.id = 0  # none: nothing is there to be let go of
    return owned


class OfflineParticipant(rtc.LocalParticipant):
    """Ourselves."""

    def __init__(self, room: OfflineRoom, owned: Any) -> None:
        super().__init__(room._room_queue, owned)
        self._room = room
        self.tracks: list[tuple[Any, Any]] = []

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        self._info.attributes.update(attributes)

    def register_rpc_method(self, method_name: str, handler: Any = None) -> Any:
        self._rpc_handlers[method_name] = handler

    async def perform_rpc(self, *, destination_identity, method, payload, **limits) -> str:
        await asyncio.sleep(0.005)
        if destination_identity not in self._room.remote_participants:
            raise rtc.RpcError._built_in(rtc.RpcError.ErrorCode.RECIPIENT_NOT_FOUND)
        self._room.calls.append((destination_identity, method, payload))
        if self._room.faults:
            raise self._room.faults.pop()
        if method not in self._room.answered:
            raise rtc.RpcError._built_in(rtc.RpcError.ErrorCode.UNSUPPORTED_METHOD)
        return "ok"

    async def publish_track(self, track: Any, options: Any = None) -> Any:
        self.tracks.append((track, options))


class OfflineRoom(rtc.Room):
    """A room.

    Args:
        attributes: of our token.
    """

    def __init__(self, attributes: dict[str, str] | None = None) -> None:
        super().__init__()
        self._attributes = attributes
        self.calls: list[tuple[str, str, str]] = []
        self.answered = {"lk.playback_finished"}
        self.faults: list[Exception] = []
        self.is_left = False

    async def connect(self, url: str, token: str, options: rtc.RoomOptions = rtc.RoomOptions()) -> None:  # noqa: B008
        self._local_participant = OfflineParticipant(self, _owned("avatar", attributes=self._attributes))

    async def disconnect(self, **reason: Any) -> None:
        self.is_left = True

    def join(self, identity: str = AGENT, kind: int = 4, attributes: dict[str, str] | None = None) -> None:
        self._happens(participant_connected={"info": _owned(identity, kind, attributes)})

    def part(self, identity: str = AGENT) -> None:
        self._happens(participant_disconnected={"participant_identity": identity, "disconnect_reason": 1})

    def end(self) -> None:
        self._happens(disconnected={"reason": 5})

    def invoke(self, method: str, caller: str = AGENT) -> str | None:
        """As the package calls a handler."""
        handler = self.local_participant._rpc_handlers[method]
        return handler(rtc.RpcInvocationData("1", caller, "", 10.0))  # type: ignore[return-value]

    @property
    def finished(self) -> list[dict[str, Any]]:
        """What the agent was told of the ends of its streams."""
        return [json.loads(payload) for _, method, payload in self.calls if method == "lk.playback_finished"]

    def _happens(self, **event: Any) -> None:
        self._on_room_event(room_pb2.RoomEvent(room_handle=0, **event))


class Stream:
    """One of the agent's, as DataStreamAudioOutput sends it: in pieces of any size."""

    _count = 0

    def __init__(self, room: OfflineRoom, attributes: dict[str, str], sender: str = AGENT) -> None:
        Stream._count += 1
        self._room, self._id, self._index = room, f"stream{Stream._count}", 0
        header = room_pb2.DataStream.Header(
            stream_id=self._id, timestamp=0, mime_type="application/octet-stream", topic="lk.audio_stream",
            attributes=attributes, byte_header=room_pb2.DataStream.ByteHeader(name="AUDIO_1"),
        )  # fmt: skip
        room._happens(stream_header_received={"participant_identity": sender, "header": header})

    async def write(self, data: bytes, seed: int = 0) -> Stream:
        rng = random.Random(seed)
        while data:
            size = rng.choice([1, 3, 701, 15_000])
            chunk = room_pb2.DataStream.Chunk(stream_id=self._id, chunk_index=self._index, content=data[:size])
            self._room._happens(stream_chunk_received={"participant_identity": AGENT, "chunk": chunk})
            self._index, data = self._index + 1, data[size:]
            if rng.random() < 0.2:
                await asyncio.sleep(0)
        return self

    def close(self) -> None:
        trailer = room_pb2.DataStream.Trailer(stream_id=self._id, reason="")
        self._room._happens(stream_trailer_received={"participant_identity": AGENT, "trailer": trailer})


class KeptMedia:
    """Tracks that keep what they get."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.is_published = self.is_closed = False

    async def publish(self, participant: Any) -> None:
        self.is_published = True

    async def put(self, moment: Moment) -> None:
        self.moments.append(moment)

    async def close(self) -> None:
        self.is_closed = True
