"""Video and audio files of any codec, rate and orientation, read through PyAV.

Everything runs on one clock: frame ``i`` of a clip is what its source shows in the 40 ms from ``i / 25`` s on, and
second 0 is the first picture's. Sound that begins later than the picture is preceded by silence.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from arguments.errors import EGSTalkerError
from data_utils.video_writer import FPS, VideoWriter

__all__ = ["FPS", "VideoInfo", "VideoWriter", "iter_audio", "probe", "read_audio", "read_frames", "sample_frames"]

MIN_SECONDS = 2.0
_COVER_ART = av.stream.Disposition.attached_pic
_HALF_SLOT = Fraction(1, 2 * FPS) - Fraction(1, 2000)  # the files' clocks round times to a millisecond at worst


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds, from its packets' times (not from its header, which may be wrong)."""

    width: int  # pixels, upright
    height: int
    fps: float  # mean pictures per second
    start: float  # seconds on the file's clock at which the first picture is shown
    seconds: float  # the picture's length
    audio_start: float  # seconds after the first picture's; may be negative
    audio_end: float  # seconds after the first picture's; 0 where there is no sound track
    has_audio: bool

    @property
    def num_frames(self) -> int:
        """Frames at 25 fps for which there are picture and sound. Without a sound track: for which there is picture."""
        pictures = _whole_slots(self.seconds)
        # Rounded, since coders end a sound track at the end of a frame of their own, some milliseconds off.
        return max(0, min(pictures, round(self.audio_end * FPS))) if self.has_audio else pictures


def probe(path: Path | str) -> VideoInfo:
    """Measure a video file without decoding it.

    Raises:
        EGSTalkerError: the file is missing, unreadable or truncated, or has no picture.
    """
    with _open(path) as container:
        stream = _video_stream(container, path)
        times: dict[int, list[Any]] = {}
        pictures = 0
        for packet in _packets(container):
            if packet.pts is None or packet.is_discard:  # an edit list's cuts
                continue
            pictures += packet.stream.index == stream.index
            begin, end = packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base
            extent = times.setdefault(packet.stream.index, [begin, end, begin])
            extent[0], extent[1], extent[2] = min(extent[0], begin), max(extent[1], end), max(extent[2], begin)
        if stream.index not in times:
            raise EGSTalkerError(f"{path} has no pictures; use a whole video file")
        first, end, last = times[stream.index]
        if end <= last:  # no packet durations: the last picture lasts as long as the mean one
            end = last + (last - first) / max(pictures - 1, 1)
        declared = (stream.duration or 0) * (stream.time_base or 0)
        if declared > (end - first) + 1:
            raise EGSTalkerError(
                f"{path} is truncated: {float(end - first):.1f} of {float(declared):.1f} s; copy it again"
            )
        container.seek(0)
        picture = next(_decoded(container, stream), None)
        if picture is None:
            raise EGSTalkerError(f"{path} has no picture that can be decoded; use a whole video file")
        height, width = _upright(picture, stream).shape[:2]
        sound = next((s for s in _decodable(container.streams.audio) if s.index in times), None)
        audio = times[sound.index] if sound else (first, first, first)
    return VideoInfo(
        width=width,
        height=height,
        fps=float(pictures / (end - first)) if end > first else 0.0,
        start=float(first),
        seconds=float(end - first),
        audio_start=float(audio[0] - first),
        audio_end=float(audio[1] - first),
        has_audio=sound is not None,
    )


def read_frames(path: Path | str, num_frames: int | None = None) -> Iterator[np.ndarray]:
    """The pictures of a video at constant 25 fps, upright, RGB uint8 [H, W, 3].

    Frame i is the latest picture that begins before the middle of the 40 ms from i / 25 s on. With ``num_frames`` the
    last picture is held where the file ends up to half a second early.

    Raises:
        EGSTalkerError: unreadable, no picture, or more than half a second short of ``num_frames``.
    """
    count, image = 0, None
    for _, image in _slots(path, None, num_frames):
        count += 1
        yield image
    if num_frames is None or count == num_frames:
        return
    if image is None or num_frames - count > FPS // 2:
        raise EGSTalkerError(f"{path} is damaged: {count} of {num_frames} frames can be decoded; export it again")
    for _ in range(num_frames - count):
        yield image


def sample_frames(path: Path | str, num_frames: int, count: int) -> list[np.ndarray]:
    """About ``count`` of the first ``num_frames`` frames at 25 fps, evenly spread, RGB uint8 [H, W, 3]."""
    wanted = set(np.linspace(0, num_frames - 1, min(count, num_frames)).round().astype(int).tolist())
    return [image for _, image in _slots(path, wanted, num_frames)]


def iter_audio(path: Path | str, rate: int = 16000, *, origin: float | None = None) -> Iterator[np.ndarray]:
    """The sound of any audio or video file, mixed to mono, in blocks of about a second or less.

    Args:
        rate: samples a second of the result.
        origin: seconds on the file's clock that become sample 0 (a video's ``VideoInfo.start``): what is earlier is
            dropped, and sound that begins later is preceded by silence. None: the first sample there is.

    Yields:
        float32 [T] in -1..1.

    Raises:
        EGSTalkerError: missing, unreadable, or without sound.
    """
    with _open(path) as container:
        stream = next(iter(_decodable(container.streams.audio)), None)
        if stream is None:
            raise EGSTalkerError(f"{path} has no audio track that can be decoded; use a file with speech in it")
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        drop, empty = 0, True
        for frame in _decoded(container, stream):
            if empty:
                begins = float((frame.pts or 0) * (frame.time_base or 0))
                offset = 0 if origin is None else round((begins - origin) * rate)
                drop = max(-offset, 0)
                for start in range(0, offset, rate):
                    yield np.zeros(min(rate, offset - start), np.float32)
            empty = False
            for block in _resampled(resampler, frame):
                if len(block) > drop:
                    yield block[drop:]
                drop = max(drop - len(block), 0)
        if empty:
            raise EGSTalkerError(f"{path} has no sound that can be decoded; use a whole audio file")
        for block in _resampled(resampler, None):
            if len(block) > drop:
                yield block[drop:]
            drop = max(drop - len(block), 0)


def read_audio(path: Path | str, rate: int = 16000, *, origin: float | None = None) -> np.ndarray:
    """All that :func:`iter_audio` yields, as one float32 [T] (an hour at 16 kHz is 230 MB)."""
    return np.concatenate([np.zeros(0, np.float32), *iter_audio(path, rate, origin=origin)])


def _slots(path: Path | str, wanted: set[int] | None, num_frames: int | None) -> Iterator[tuple[int, np.ndarray]]:
    """Frame numbers at 25 fps and their pictures; only those ``wanted`` are converted (None: all)."""
    with _open(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        slot, start = 0, Fraction(0)
        latest: Any = None

        def emit(stop: int) -> Iterator[tuple[int, np.ndarray]]:
            nonlocal slot
            image = None
            while slot < (stop if num_frames is None else min(stop, num_frames)):
                if wanted is None or slot in wanted:
                    image = _upright(latest, stream) if image is None else image
                    yield slot, image
                slot += 1

        for frame in _decoded(container, stream):
            if frame.pts is None:
                continue
            time = frame.pts * frame.time_base
            if latest is None:
                start = time
            else:
                yield from emit(math.ceil((time - start - _HALF_SLOT) * FPS))
                if slot == num_frames:
                    return
            latest, ends = frame, time - start + (frame.duration or 0) * frame.time_base
        if latest is not None:
            yield from emit(max(_whole_slots(ends), 1))


def _whole_slots(seconds: float | Fraction) -> int:
    """How many 40 ms fit; a twentieth of one may lack, since files' clocks round."""
    return math.floor(seconds * FPS + 0.05)


def _upright(frame: av.VideoFrame, stream: Any) -> np.ndarray:
    """A decoded picture as RGB uint8 [H, W, 3], turned as its display matrix says, with square pixels."""
    image: np.ndarray = frame.to_ndarray(format="rgb24")
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        size = (max(2, round(image.shape[1] * aspect)), image.shape[0])
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))


@contextlib.contextmanager
def _open(path: Path | str) -> Iterator[Any]:
    if not Path(path).is_file():
        raise EGSTalkerError(f"{path} is not a file; give the path of a video or audio file")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise EGSTalkerError(f"{path} cannot be read as video or audio (damaged, or not a media file)") from error
    with container:
        yield container


def _video_stream(container: Any, path: Path | str) -> Any:
    streams = [stream for stream in _decodable(container.streams.video) if not stream.disposition & _COVER_ART]
    if not streams:
        raise EGSTalkerError(f"{path} has no picture that can be decoded; give a video file")
    return streams[0]


def _decodable(streams: Any) -> list[Any]:
    """Those of a codec that is known here; PyAV crashes on the packets of others."""
    return [stream for stream in streams if stream.codec_context is not None]


def _packets(container: Any, *streams: Any) -> Iterator[Any]:
    with contextlib.suppress(av.FFmpegError):  # a file that is cut off ends where it is cut
        yield from container.demux(*streams)


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    for packet in _packets(container, stream):
        with contextlib.suppress(av.FFmpegError):  # a damaged packet costs its own frames only
            yield from packet.decode()


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
    for block in resampler.resample(frame):
        yield block.to_ndarray().reshape(-1)
