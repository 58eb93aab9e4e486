"""The little of a LiveKit room that an avatar needs, as ``livekit.rtc`` has it (https://docs.livekit.io/reference/python/).

``livekit.rtc.Room`` is such a room; tests have one of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from live.moment import Moment


@runtime_checkable
class StreamInfo(Protocol):
    """What is known of a stream before its first byte."""

    attributes: dict[str, str] | None


@runtime_checkable
class ByteStream(Protocol):
    """What somebody in the room sends in pieces of any size."""

    @property
    def info(self) -> StreamInfo:
        """What it is."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces, to the end."""


@runtime_checkable
class Invocation(Protocol):
    """A call of a method of ours (``rtc.RpcInvocationData``)."""

    caller_identity: str
    payload: str


@runtime_checkable
class Participant(Protocol):
    """Somebody else in the room."""

    @property
    def identity(self) -> str:
        """Its name, which nobody else in the room has."""

    @property
    def attributes(self) -> dict[str, str]:
        """What its token said, or itself."""

    @property
    def kind(self) -> int:
        """``rtc.ParticipantKind``."""


@runtime_checkable
class LocalParticipant(Protocol):
    """Ourselves in the room."""

    @property
    def attributes(self) -> dict[str, str]:
        """What our token said, or we did."""

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        """Say something of ourselves; nothing happens where the token does not let us."""

    def register_rpc_method(self, method_name: str, handler: Callable[[Invocation], str]) -> Any:
        """Answer calls of a method."""

    async def perform_rpc(self, *, destination_identity: str, method: str, payload: str) -> str:
        """Call a method of somebody's. Raises whatever the package does where that fails."""

    async def publish_track(self, track: Any, options: Any) -> Any:
        """Show or play something to the room."""


@runtime_checkable
class Room(Protocol):
    """A room."""

    @property
    def local_participant(self) -> LocalParticipant:
        """Ourselves; known when connected."""

    @property
    def remote_participants(self) -> Mapping[str, Participant]:
        """The others, by their identities."""

    def on(self, event: str, callback: Callable[..., None]) -> Any:
        """Hear of something that happens."""

    def register_byte_stream_handler(self, topic: str, handler: Callable[[ByteStream, str], None]) -> None:
        """Take streams of a topic, each with its sender's identity."""

    def connect(self, url: str, token: str, options: Any) -> Awaitable[None]:
        """Enter it. Raises whatever the package does where that fails."""

    def disconnect(self) -> Awaitable[None]:
        """Leave it."""


@runtime_checkable
class Media(Protocol):
    """Picture and sound of a session, as tracks of a room."""

    async def publish(self, participant: LocalParticipant) -> None:
        """Show and play them to the room. Raises whatever the package does where that fails."""

    async def put(self, moment: Moment) -> None:
        """Play a moment's sound after that of the one before, and show its picture with it."""

    async def close(self) -> None:
        """End both."""
