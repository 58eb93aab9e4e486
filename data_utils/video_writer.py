"""Frames and sound out to an H.264 + AAC mp4, streamed, through PyAV."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError

FPS = 25
_ENCODED_RATE = 48000  # Hz; an AAC frame of 1024 samples is then 21 ms, shorter than a picture's 40


class VideoWriter:
    """Streams frames, and sound if given, into an H.264 + AAC mp4 that appears whole or not at all.

    Sound is consumed alongside the pictures, 40 ms for each, and trimmed or padded with silence to their length. ::

        with VideoWriter("out.mp4", 512, 512, audio=iter_audio("speech.wav"), audio_rate=16000) as writer:
            for frame in frames:
                writer.write(frame)

    Args:
        width, height: of the frames, pixels; an odd size grows by one repeated row or column (H.264 wants even ones).
        audio: mono float32 samples, one array or an iterator of blocks; None for a silent file without a sound track.
        audio_rate: samples a second of ``audio``.
        crf: x264's constant quality, 0 (lossless) to 51; 18 looks like the source.
        preset: x264's speed, ultrafast to veryslow.
    """

    def __init__(
        self,
        path: Path | str,
        width: int,
        height: int,
        *,
        fps: int = FPS,
        audio: np.ndarray | Iterable[np.ndarray] | None = None,
        audio_rate: int = 16000,
        crf: int = 18,
        preset: str = "veryfast",
    ) -> None:
        self._target, self._size, self._fps = Path(path), (width, height), fps
        self._audio = None if audio is None else iter([audio] if isinstance(audio, np.ndarray) else audio)
        self._audio_rate, self._options = audio_rate, {"crf": str(crf), "preset": preset}
        self._waiting = np.zeros(0, np.float32)
        self._frames = self._samples = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> VideoWriter:
        with self._stack:
            temporary = self._stack.enter_context(atomic_path(self._target))
            self._container = self._stack.enter_context(av.open(str(temporary), "w", format="mp4"))
            self._picture = self._container.add_stream("libx264", rate=self._fps, options=self._options)
            self._picture.width, self._picture.height = (side + side % 2 for side in self._size)
            self._picture.pix_fmt = "yuv420p"
            if self._audio is not None:
                self._sound = self._container.add_stream("aac", rate=_ENCODED_RATE, layout="mono")
                self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=_ENCODED_RATE)
            self._stack = self._stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append one RGB uint8 frame [height, width, 3], and the sound that goes with it."""
        if frame.shape != (self._size[1], self._size[0], 3) or frame.dtype != np.uint8:
            raise ValueError(f"expected uint8 {(self._size[1], self._size[0], 3)}, got {frame.dtype} {frame.shape}")
        odd = frame.shape[0] % 2, frame.shape[1] % 2
        if any(odd):
            frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = self._frames, Fraction(1, self._fps)
        with _disk_errors():
            self._container.mux(self._picture.encode(picture))
            self._frames += 1
            if self._audio is not None:
                self._write_sound(round(self._frames * self._audio_rate / self._fps) - self._samples)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if error is not None:
            return self._stack.__exit__(kind, error, trace)
        with _disk_errors(), self._stack:
            if self._frames == 0:
                raise EGSTalkerError(f"no frames to write into {self._target}; check the input's length")
            self._container.mux(self._picture.encode(None))
            if self._audio is not None:
                self._encode_sound(self._resampler.resample(None))
                self._container.mux(self._sound.encode(None))
        return None

    def _write_sound(self, count: int) -> None:
        while len(self._waiting) < count and self._audio is not None:
            block = next(self._audio, None)
            if block is None:
                block = np.zeros(count - len(self._waiting), np.float32)
            self._waiting = np.concatenate([self._waiting, np.asarray(block, np.float32)])
        samples, self._waiting = self._waiting[:count], self._waiting[count:]
        frame = av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._audio_rate, self._samples, Fraction(1, self._audio_rate)
        self._samples += count
        self._encode_sound(self._resampler.resample(frame))

    def _encode_sound(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._sound.encode(frame))


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:  # PyAV has a type of its own for a full disk
        if error.errno == errno.ENOSPC:
            raise OSError(errno.ENOSPC, "no space left on device") from error
        raise
