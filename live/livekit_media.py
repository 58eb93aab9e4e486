"""Picture and sound of a session as tracks of a LiveKit room, in step.

The package plays sound out of a queue at its own pace and sends a picture at once. So a little sound is kept in the
queue, which evens out when moments come, and a moment's picture waits until its sound is played.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from livekit import rtc

from live.livekit_room import LocalParticipant
from live.moment import SOUND_RATE, Moment

STOCK_SECONDS = 0.08  # of sound in the queue; moments come by up to 40 ms late (live.clock)
MOST_SECONDS = 0.24  # in the queue, above which silence is left out
_QUEUE_MS = 2000  # that the queue can hold: putting into it never waits
_EMPTY_SECONDS = 0.005


class RoomMedia:
    """The tracks of one session. All of it is for the event loop.

    Args:
        size: height and width of the pictures, pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._loop = asyncio.get_running_loop()
        self.sound = rtc.AudioSource(SOUND_RATE, 1, queue_size_ms=_QUEUE_MS)
        self.pictures = rtc.VideoSource(size[1], size[0])
        self._late: set[asyncio.TimerHandle] = set()

    async def publish(self, participant: LocalParticipant) -> None:
        """Publish both tracks. Raises what the package raises where the token does not let us."""
        tracks: list[tuple[Any, Any]] = [
            (rtc.LocalAudioTrack.create_audio_track("avatar_audio", self.sound), rtc.TrackSource.SOURCE_MICROPHONE),
            (rtc.LocalVideoTrack.create_video_track("avatar_video", self.pictures), rtc.TrackSource.SOURCE_CAMERA),
        ]
        for track, source in tracks:
            await participant.publish_track(track, rtc.TrackPublishOptions(source=source))

    async def put(self, moment: Moment) -> None:
        """Play a moment's sound after what is in the queue, and show its picture with it."""
        waiting = self.sound.queued_duration
        if waiting > MOST_SECONDS and moment.utterance is None:
            return
        if waiting < _EMPTY_SECONDS:
            await self.sound.capture_frame(_sound(np.zeros(round(STOCK_SECONDS * SOUND_RATE), np.int16)))
            waiting = STOCK_SECONDS
        await self.sound.capture_frame(_sound(moment.sound))
        if moment.picture is not None:
            self._later(waiting, _picture(moment.picture))

    async def close(self) -> None:
        """End both."""
        for handle in self._late:
            handle.cancel()
        await self.sound.aclose()
        await self.pictures.aclose()

    def _later(self, seconds: float, picture: rtc.VideoFrame) -> None:
        def show() -> None:
            self._late.discard(handle)
            self.pictures.capture_frame(picture)

        handle = self._loop.call_later(seconds, show)
        self._late.add(handle)


def _sound(samples: np.ndarray) -> rtc.AudioFrame:
    return rtc.AudioFrame(samples.astype("<i2").tobytes(), SOUND_RATE, 1, len(samples))


def _picture(picture: np.ndarray) -> rtc.VideoFrame:
    rgb = np.ascontiguousarray(picture[..., :3])
    return rtc.VideoFrame(rgb.shape[1], rgb.shape[0], rtc.VideoBufferType.RGB24, rgb.tobytes())
