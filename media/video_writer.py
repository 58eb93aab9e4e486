"""Frames and sound out to a film, streamed, through PyAV: H.264 in mp4, or with transparency ProRes 4444 or VP9."""

from __future__ import annotations

import contextlib
import errno
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from arguments.atomic import atomic_path
from arguments.clock import FPS, SAMPLE_RATE
from arguments.errors import EGSTalkerError

NVENC_OFFSET = 3  # its constant quality looks like x264's at a number that is lower by so much
_BT601 = 6  # libswscale's matrix from RGB, and that of synthesis/yuv.py; FFmpeg's number of SMPTE 170M
_SOUND_FRAMES = FPS  # of sound that are encoded at once: a call a frame keeps Python's lock from the picture
_SOUND_BEHIND = 2  # of these that the sound may be behind the picture before the picture waits
_ENCODED_RATE = 48000  # Hz; an AAC frame of 1024 samples is then 21 ms, shorter than a picture's 40


@dataclass(frozen=True)
class _Format:
    """What a kind of file holds."""

    container: str
    encoder: str
    pixels: str
    sound: str
    samples: str  # as the encoder of the sound takes them
    options: dict[str, str] = field(default_factory=dict)
    is_transparent: bool = True


_FORMATS = {
    ".mp4": _Format("mp4", "libx264", "yuv420p", "aac", "fltp", is_transparent=False),
    ".mov": _Format("mov", "prores_ks", "yuva444p10le", "pcm_s16le", "s16", {"profile": "4444", "vendor": "apl0"}),
    ".webm": _Format(
        *("webm", "libvpx-vp9", "yuva420p", "libopus", "flt"),
        {"crf": "15", "b": "0", "auto-alt-ref": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    ),
}
"""By the ending of a film's name: what editors take, and what browsers take, hold transparency."""
ENDINGS = tuple(_FORMATS)


class VideoWriter:
    """Streams frames, and sound if given, into a film that appears whole or not at all.

    What its name ends in says what it is: .mp4 is H.264 with AAC; .mov is ProRes 4444 with PCM, and .webm VP9 with
    Opus, both with transparency.

    Sound is consumed alongside the pictures, for each its time, and trimmed or padded with silence to their
    length. ::

        with VideoWriter("out.mp4", 512, 512, audio=iter_audio("speech.wav"), audio_rate=16_000) as writer:
            for frame in frames:
                writer.write(frame)

    Args:
        width, height: of the frames, pixels; an odd size grows by one repeated row or column (H.264 wants even ones).
        fps: frames a second; NTSC's are ``Fraction(30000, 1001)``.
        audio: mono float32 samples, one array or an iterator of blocks; None for a silent file without a sound track.
        audio_rate: samples a second of ``audio``.
        crf: of an mp4: x264's constant quality, 0 (lossless) to 51; 18 looks like the source.
        preset: x264's speed, ultrafast to veryslow.
        hardware: let an NVIDIA card's encoder do it where there is one, at about the same quality.
    """

    def __init__(
        self,
        path: Path | str,
        width: int,
        height: int,
        *,
        fps: int | Fraction = FPS,
        audio: np.ndarray | Iterable[np.ndarray] | None = None,
        audio_rate: int = SAMPLE_RATE,
        crf: int = 18,
        preset: str = "veryfast",
        hardware: bool = False,
    ) -> None:
        self._target, self._size, self._fps = Path(path), (width, height), fps
        self._audio = None if audio is None else iter([audio] if isinstance(audio, np.ndarray) else audio)
        self._format, self._audio_rate = _FORMATS[self._target.suffix.lower()], audio_rate
        self._encoder = (self._format.encoder, self._format.options)
        if not self._format.is_transparent:
            self._encoder = (self._format.encoder, {"crf": str(crf), "preset": preset})
        if hardware and not self._format.is_transparent and has_nvenc():
            self._encoder = ("h264_nvenc", {"rc": "vbr", "cq": str(crf + NVENC_OFFSET), "b": "0", "preset": "p4"})
        self._encoding: deque[Future[list[av.Packet]]] = deque()
        self._waiting = np.zeros(0, np.float32)
        self._frames = self._samples = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> VideoWriter:
        with self._stack:
            temporary = self._stack.enter_context(atomic_path(self._target))
            self._container = self._stack.enter_context(av.open(str(temporary), "w", format=self._format.container))
            encoder, options = self._encoder
            self._picture = cast(VideoStream, self._container.add_stream(encoder, rate=self._fps, options=options))
            self._picture.width, self._picture.height = (side + side % 2 for side in self._size)
            self._picture.pix_fmt = self._format.pixels
            if self._format.container == "webm":
                self._picture.metadata["alpha_mode"] = "1"
            context = self._picture.codec_context  # untagged, pictures of 720 rows would be taken as BT.709
            context.colorspace, context.color_range = _BT601, ColorRange.MPEG
            self._picture.thread_type = "AUTO"  # frames at once; slices at once, PyAV's choice, are slower and larger
            if self._audio is not None:
                self._sound: Any = self._container.add_stream(self._format.sound, rate=_ENCODED_RATE, layout="mono")
                self._resampler = av.AudioResampler(format=self._format.samples, layout="mono", rate=_ENCODED_RATE)
                self._sound_thread = self._stack.enter_context(ThreadPoolExecutor(1))
            self._container.start_encoding()
            self._stack = self._stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append one frame, and the sound that goes with it.

        Args:
            frame: uint8; RGB [height, width, 3], or [3 height / 2, width]: planes Y, Cb and Cr of 4:2:0, of even sides,
                for an mp4; RGBA [height, width, 4], of straight colours, for what holds transparency.

        Raises:
            ValueError: the frame has another shape or type.
            OSError: the disk is full.
        """
        width, height = self._size
        planar = frame.ndim == 2 and width % 2 == height % 2 == 0 and not self._format.is_transparent
        channels = 4 if self._format.is_transparent else 3
        expected = (height * 3 // 2, width) if planar else (height, width, channels)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise ValueError(f"expected uint8 {expected}, got {frame.dtype} {frame.shape}")
        if not planar and (width % 2 or height % 2):
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(frame), format="yuv420p" if planar else "rgba" if channels == 4 else "rgb24"
        )
        picture.pts, picture.time_base = self._frames, Fraction(1, self._fps)
        with _disk_errors():
            self._frames += 1
            if self._frames % _SOUND_FRAMES == 0:
                self._encode_sound()
            self._container.mux(self._picture.encode(picture))
            while self._encoding and (self._encoding[0].done() or len(self._encoding) > _SOUND_BEHIND):
                self._container.mux(self._encoding.popleft().result())

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if error is not None:
            return self._stack.__exit__(kind, error, trace)
        with _disk_errors(), self._stack:
            if self._frames == 0:
                raise EGSTalkerError(f"no frames to write into {self._target}; check the input's length")
            self._encode_sound()
            self._container.mux(self._picture.encode(None))
            for packets in self._encoding:
                self._container.mux(packets.result())
            if self._audio is not None:
                rest = [*self._resampler.resample(None), None]
                self._container.mux([packet for frame in rest for packet in self._sound.encode(frame)])
        return None

    def _encode_sound(self) -> None:
        """Have the sound's thread encode what goes with the frames so far."""
        if self._audio is not None:
            count = round(self._frames * self._audio_rate / self._fps)
            self._encoding.append(self._sound_thread.submit(self._encoded_sound, count))

    def _encoded_sound(self, until: int) -> list[av.Packet]:
        """The next samples, up to number ``until``; in the sound's thread."""
        count = until - self._samples
        if count == 0 or self._audio is None:
            return []
        blocks, held = [self._waiting], len(self._waiting)
        while held < count:
            block = next(self._audio, None)
            blocks.append(np.zeros(count - held, np.float32) if block is None else np.asarray(block, np.float32))
            held += len(blocks[-1])
        together = np.concatenate(blocks)
        samples, self._waiting = together[:count], together[count:]
        frame = av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._audio_rate, self._samples, Fraction(1, self._audio_rate)
        self._samples += count
        return [packet for resampled in self._resampler.resample(frame) for packet in self._sound.encode(resampled)]


@lru_cache
def has_nvenc() -> bool:
    """Whether an NVIDIA card here encodes H.264: data centre cards without a video engine do not."""
    try:
        encoder = cast(VideoCodecContext, av.CodecContext.create("h264_nvenc", "w"))
        encoder.width, encoder.height, encoder.pix_fmt = 512, 512, "yuv420p"
        encoder.time_base = Fraction(1, FPS)
        encoder.open()
    except (av.FFmpegError, ValueError):  # ValueError: this build of FFmpeg has no such encoder
        return False
    return True


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:  # PyAV has a type of its own for a full disk
        if error.errno == errno.ENOSPC:
            raise OSError(errno.ENOSPC, "no space left on device") from error
        raise
