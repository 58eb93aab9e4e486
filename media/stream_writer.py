"""Pictures and sound out as they are made, through PyAV, to what :mod:`media.outlet` lists."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from jaxtyping import Int16, UInt8

from arguments.clock import FPS
from arguments.errors import EGSTalkerError, one_line
from media.outlet import Outlet

RATE = 48_000  # Hz, of the sound
_BT601 = 6  # libswscale's matrix from RGB; FFmpeg's number of SMPTE 170M
_ALSA_CONFIGURATION = Path("/usr/share/alsa/alsa.conf")  # of distributions; PyAV's own libasound knows no such place
_MICROSECONDS = 500_000  # that a packet waits for one of the other kind, where pictures are left out


class StreamWriter:
    """An open way out. It is for one thread at a time, and any call may wait for the receiver.

    Args:
        outlet: where to; see :func:`media.outlet.outlet_of`.
        size: height and width of the pictures, pixels; an odd size grows by one repeated row or column.

    Raises:
        EGSTalkerError: it cannot be opened, or this build of FFmpeg has no such way out.

    Example::

        writer = StreamWriter(outlet_of("talk.mkv"), (512, 512))
        for number, (sound, picture) in enumerate(moments):
            writer.write(number, sound, picture)
        writer.close()
    """

    def __init__(self, outlet: Outlet, size: tuple[int, int]) -> None:
        self._outlet, self._stack = outlet, contextlib.ExitStack()
        self._next = 0
        if outlet.container == "alsa" and _ALSA_CONFIGURATION.exists():
            os.environ.setdefault("ALSA_CONFIG_PATH", str(_ALSA_CONFIGURATION))
        options = {"max_interleave_delta": str(_MICROSECONDS), **outlet.options}
        try:
            with self._errors("cannot be opened"), self._stack:
                self._container = self._stack.enter_context(
                    av.open(outlet.target, "w", format=outlet.container, container_options=options)
                )
                self._picture = None if outlet.video is None else self._video_stream(outlet.video, size)
                self._sound: Any = None
                if outlet.audio is not None:
                    self._sound = self._container.add_stream(outlet.audio, rate=RATE, layout=outlet.channels)
                self._container.start_encoding()
                self._stack = self._stack.pop_all()
        except (ValueError, LookupError) as error:
            raise EGSTalkerError(
                f"{outlet.shown} cannot be opened: PyAV was built without it ({one_line(error)})"
            ) from error

    def write(self, frame: int, sound: Int16[np.ndarray, "T"], picture: UInt8[np.ndarray, "H W C"] | None) -> None:
        """Send one frame's time.

        Args:
            frame: its number; its sound and picture belong at ``frame`` / 25 s. Numbers left out are silent.
            sound: its samples, mono, 48 kHz; the same number for every frame.
            picture: RGB, or RGBA whose transparency is left out; None: the last one stays.

        Raises:
            EGSTalkerError: the receiver is gone, or the disk is full.
        """
        with self._errors("was lost"):
            if self._picture is not None and picture is not None:
                image = av.VideoFrame.from_ndarray(_even(picture[..., :3]), format="rgb24")
                image.pts, image.time_base = frame, Fraction(1, FPS)
                self._container.mux(self._picture.encode(image))
            if self._sound is not None:
                for silent in range(self._next, frame):
                    self._write_sound(silent, np.zeros_like(sound))
                self._write_sound(frame, sound)
        self._next = frame + 1

    def _write_sound(self, frame: int, sound: Int16[np.ndarray, "T"]) -> None:
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), format="s16", layout="mono")
        block.sample_rate, block.time_base, block.pts = RATE, Fraction(1, RATE), frame * len(sound)
        self._container.mux(self._sound.encode(block))

    def close(self) -> None:
        """Send what the encoders hold, and end.

        Raises:
            EGSTalkerError: the receiver is gone, or the disk is full.
        """
        with self._errors("was lost"), self._stack:
            for stream in (self._picture, self._sound):
                if stream is not None:
                    self._container.mux(stream.encode(None))

    def _video_stream(self, encoder: str, size: tuple[int, int]) -> VideoStream:
        stream = cast(VideoStream, self._container.add_stream(encoder, rate=FPS, options=self._outlet.video_options))
        stream.height, stream.width = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = _BT601, ColorRange.MPEG
        return stream

    @contextlib.contextmanager
    def _errors(self, what: str) -> Any:
        try:
            yield
        except av.FFmpegError as error:
            if isinstance(error, LookupError):  # a protocol, an encoder
                raise
            raise EGSTalkerError(f"{self._outlet.shown} {what}: {error.strerror}") from error


def _even(picture: UInt8[np.ndarray, "H W 3"]) -> np.ndarray:
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(picture)
