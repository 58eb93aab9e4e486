"""Sound and pictures as WebRTC's tracks take and give them."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from jaxtyping import Int16, UInt8

SoundFrame: TypeAlias = AudioFrame
PictureFrame: TypeAlias = VideoFrame


def sound_frame(samples: Int16[np.ndarray, "T"], rate: int, at: int) -> SoundFrame:
    """A packet's sound, mono; ``at``: number of its first sample, ``rate`` a second."""
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="s16", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
    return frame


def picture_frame(picture: UInt8[np.ndarray, "H W 3"], clock: int, at: int) -> PictureFrame:
    """A picture; ``at``: its time, ``clock`` a second."""
    frame = VideoFrame.from_ndarray(picture, format="rgb24")
    frame.time_base, frame.pts = Fraction(1, clock), at
    return frame


class ReceivedSound:
    """Sound of a foreign track, as 16-bit mono PCM.

    Args:
        rate: samples a second that it is brought to.
    """

    def __init__(self, rate: int) -> None:
        self._resampler = AudioResampler(format="s16", layout="mono", rate=rate)

    def pcm(self, frame: object) -> bytes:
        """Of one more frame; nothing of what is no sound."""
        if not isinstance(frame, AudioFrame):
            return b""
        return b"".join(part.to_ndarray().astype("<i2").tobytes() for part in self._resampler.resample(frame))
