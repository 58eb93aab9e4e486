"""A LiveKit avatar worker: an agent of livekit-agents speaks by a session's head, with the code that it has.

The agent's program makes a token for the avatar's participant, with the attribute ``lk.publish_on_behalf`` (the agent's
identity), as the avatar plugins of livekit-agents do, and starts its ``AgentSession`` with a ``DataStreamAudioOutput``
for that participant. The worker enters the room with the token, publishes picture and sound, and says what comes
(:mod:`live.livekit_speech`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from arguments.errors import EGSTalkerError, one_line
from live.livekit_room import Media, Room
from live.livekit_visit import AWAY_SECONDS, Visit
from live.seat import Seat


class LiveKitWorker:
    """Brings a session into a room.

    Args:
        url: of the LiveKit server, wss://.
        token: of the avatar's participant.
        say: is given lines that tell of what went wrong and was passed over.
        make_room: makes the room that is entered.
        make_media: makes the tracks, for pictures of a height and width.
        away_seconds: for which an agent that is not there is waited for.
    """

    def __init__(
        self,
        url: str,
        token: str,
        say: Callable[[str], None],
        make_room: Callable[[], Room],
        make_media: Callable[[tuple[int, int]], Media],
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._url, self._token, self._say = url, token, say
        self._make_room, self._make_media, self._away_seconds = make_room, make_media, away_seconds

    async def __call__(self, seat: Seat, size: tuple[int, int]) -> None:
        """Be the avatar until the session is over, the room is closed or the agent has left it.

        Args:
            seat: of the session.
            size: height and width of its pictures.

        Raises:
            EGSTalkerError: the room cannot be entered, or no agent came.
        """
        room, media = self._make_room(), self._make_media(size)
        visit = Visit(room, seat, self._say, self._away_seconds)
        try:
            try:
                await room.connect(self._url, self._token, _options())
                visit.enter()
                await media.publish(room.local_participant)
            except Exception as error:  # the package has a type for each kind of failure
                why = one_line(error).replace(self._token, "...")[:150]
                raise EGSTalkerError(f"the LiveKit room of {_host(self._url)} cannot be entered: {why}") from error
            await visit.stay(media)
        finally:
            visit.leave()
            await room.disconnect()
            await media.close()


def worker_of(environment: Mapping[str, str], say: Callable[[str], None]) -> LiveKitWorker:
    """The worker of LIVEKIT_URL and LIVEKIT_TOKEN.

    Args:
        environment: that has them.
        say: is given lines that tell of what went wrong and was passed over.

    Raises:
        EGSTalkerError: one is missing or no address, or the package livekit is.
    """
    url, token = environment.get("LIVEKIT_URL", ""), environment.get("LIVEKIT_TOKEN", "")
    if not url or not token:
        raise EGSTalkerError(
            "--livekit needs LIVEKIT_URL (wss://host) and LIVEKIT_TOKEN, the avatar's, in the environment"
        )
    if urlsplit(url).scheme not in ("ws", "wss", "http", "https") or not urlsplit(url).hostname:
        raise EGSTalkerError(f"LIVEKIT_URL is no address of a LiveKit server: {url!r:.60}; give wss://host")
    try:
        from livekit import rtc

        from live.livekit_media import RoomMedia
    except ModuleNotFoundError as error:
        raise EGSTalkerError(
            f"--livekit needs the packages of requirements/live.txt ({error.name}): ./live.sh installs them"
        ) from error
    logging.getLogger("livekit").addHandler(logging.NullHandler())  # what fails is told in a line
    return LiveKitWorker(url, token, say, cast(Callable[[], Room], rtc.Room), RoomMedia)


def _options() -> Any:
    from livekit import rtc

    return rtc.RoomOptions(auto_subscribe=False)  # it listens to the agent's streams alone


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
