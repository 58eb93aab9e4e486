"""WebRTC: a browser sees and hears a session, and may speak to it through a data channel or its microphone.

Picture and sound of a moment are given to their tracks together and carry the same time, the session's own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from live.moment import SOUND_RATE, SOUND_SAMPLES, Moment
from live.moment_queue import LONGEST, PICTURES
from live.seat import Seat
from media.rtc_frames import PictureFrame, ReceivedSound, SoundFrame, picture_frame, sound_frame

CLOCK = 90_000  # Hz, of video in RTP
PACKET = SOUND_RATE // 50  # samples of a sound packet: 20 ms
HOLD_SECONDS = 0.02
"""That pictures go after their sound. Browsers buffer sound longer than pictures, and delay pictures until they are
less than 30 ms ahead (``kMinDeltaMs`` of libwebrtc's stream_synchronization.cc), and no further."""
CONNECT_SECONDS = 30.0  # in which a connection has to come about
_SPEECH_RATE = 24_000  # Hz, of what a microphone hands on


async def _until(due: float) -> None:
    early = due - time.monotonic()
    if early > 0:
        await asyncio.sleep(early)


class SoundTrack(AudioStreamTrack):
    """The sound of a session, all of it."""

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[tuple[float, SoundFrame] | None] = asyncio.Queue()

    def put(self, moment: Moment) -> None:
        """Send a moment's sound, its packets as far apart as they are heard: receivers wait longer for bursts."""
        now = time.monotonic()
        for half in range(SOUND_SAMPLES // PACKET):
            begin = half * PACKET
            samples = moment.sound[begin : begin + PACKET]
            frame = sound_frame(samples, SOUND_RATE, moment.frame * SOUND_SAMPLES + begin)
            self._packets.put_nowait((now + half * PACKET / SOUND_RATE, frame))

    @property
    def waiting(self) -> int:
        """Moments whose sound has not gone."""
        return self._packets.qsize() * PACKET // SOUND_SAMPLES

    def end(self) -> None:
        """No more comes."""
        self._packets.put_nowait(None)

    async def recv(self) -> SoundFrame:
        """The next packet, for aiortc."""
        packet = await self._packets.get()
        if packet is None:
            raise MediaStreamError
        due, frame = packet
        await _until(due)
        return frame


class PictureTrack(VideoStreamTrack):
    """The pictures of a session; those that have waited for 200 ms are left out.

    Args:
        hold: seconds that each is held back.
    """

    def __init__(self, hold: float = 0.0) -> None:
        super().__init__()
        self._hold = hold
        self._pictures: deque[tuple[float, PictureFrame]] = deque(maxlen=PICTURES)
        self._news = asyncio.Event()
        self._is_over = False

    def put(self, moment: Moment) -> None:
        """Send a moment's picture, if it has one."""
        if moment.picture is not None:
            frame = picture_frame(moment.picture, CLOCK, moment.frame * CLOCK // FPS)
            self._pictures.append((time.monotonic() + self._hold, frame))
            self._news.set()

    def end(self) -> None:
        """No more comes."""
        self._is_over = True
        self._news.set()

    async def recv(self) -> PictureFrame:
        """The next picture, for aiortc."""
        while not self._pictures:
            if self._is_over:
                raise MediaStreamError
            self._news.clear()
            await self._news.wait()
        due, frame = self._pictures.popleft()
        await _until(due)
        return frame


class Viewer:
    """A connection to one session, which ends with it, and the session with the connection.

    Args:
        seat: of the session.
        on_channel: is given the data channel that the other side opens.
        keep: sees to it that work is done, beside all else.
        listens: whether the session says what the other side's microphone hears.
    """

    def __init__(
        self,
        seat: Seat,
        on_channel: Callable[[RTCDataChannel], None],
        keep: Callable[[Coroutine[Any, Any, None]], None],
        *,
        listens: bool = False,
    ) -> None:
        self._seat, self._keep, self._listens = seat, keep, listens
        self._peer = RTCPeerConnection()
        self._sound, self._pictures = SoundTrack(), PictureTrack(HOLD_SECONDS)
        self._peer.addTrack(self._pictures)
        self._peer.addTrack(self._sound)
        self._peer.on("datachannel", on_channel)
        self._peer.on("track", self._hear)
        self._peer.on("connectionstatechange", self._changed)
        self._unwatch: Callable[[], None] | None = None
        seat.on_close.append(self._leave)
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._give_up)

    async def answer(self, sdp: str) -> str:
        """The answer to an offer.

        Raises:
            EGSTalkerError: it is none, or one that has no picture and sound to receive.
        """
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
            description = await self._peer.createAnswer()
            await self._peer.setLocalDescription(description)
        except Exception as error:  # aiortc raises whatever it stumbles over in a foreign text
            self._seat.close()
            raise EGSTalkerError(f"the offer cannot be answered: {error!s:.100}") from error
        return str(self._peer.localDescription.sdp)

    def _changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected" and self._unwatch is None:
            self._deadline.cancel()
            self._unwatch = self._seat.watch()
            self._seat.listeners.append(self._put)
        elif state in ("failed", "closed", "disconnected"):
            self._seat.close()

    def _put(self, moment: Moment) -> None:
        self._sound.put(moment)
        self._pictures.put(moment)
        if self._sound.waiting > LONGEST:
            self._seat.close()

    def _give_up(self) -> None:
        self._seat.close()

    def _leave(self) -> None:
        self._deadline.cancel()
        if self._put in self._seat.listeners:
            self._seat.listeners.remove(self._put)
        self._sound.end()
        self._pictures.end()
        self._keep(self._peer.close())

    def _hear(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._listens:
            self._keep(self._hand_on(track))

    async def _hand_on(self, track: MediaStreamTrack) -> None:
        heard = ReceivedSound(_SPEECH_RATE)
        try:
            while self._seat.is_open:
                self._seat.speak(heard.pcm(await track.recv()), _SPEECH_RATE)
        except MediaStreamError:
            self._seat.end()
