"""Video and audio files of any codec, rate and orientation, read through PyAV.

Everything runs on one clock: frame ``i`` of a clip is what its source shows in the 40 ms from ``i / 25`` s on, and
second 0 is the first picture's. Sound that begins later than the picture is preceded by silence.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from arguments.clock import FPS, timestamp
from arguments.errors import EGSTalkerError
from media.container import films, open_media
from media.packet_scan import MAX_GAP, scan
from media.picture_filter import PictureFilter
from media.tracks import audio_stream

MIN_SECONDS = 2.0
_INDEXED = ("mov", "matroska")  # formats that know their key frames; a transport stream is entered anywhere
_FAR = 250  # frames from one sample to the next from which on each is sought: as far apart are key frames, as a rule
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


class Picture:
    """A decoded picture, converted when it is asked for."""

    def __init__(self, pictures: PictureFilter, frame: Any) -> None:
        self._pictures, self._frame = pictures, frame

    @functools.cached_property
    def rgb(self) -> np.ndarray:
        """As it is shown: upright RGB uint8 [H, W, 3]."""
        return self._pictures.rgb(self._frame)

    def thumbnail(self, side: int) -> np.ndarray:
        """A small copy: see :meth:`media.picture_filter.PictureFilter.thumbnail`."""
        return self._pictures.thumbnail(self._frame, side)


def probe(path: Path | str, audio_track: int | None = None) -> VideoInfo:
    """Measure a video file by its packets' times; a single picture is decoded, for its size.

    Args:
        path: of a video file of any container and codec that FFmpeg knows.
        audio_track: whose sound is measured, from 1 on; None: see :func:`media.tracks.audio_stream`.

    Raises:
        EGSTalkerError: the file is missing, unreadable or truncated, has no picture or no such audio track, or its
            clock leaps.
    """
    with open_media(path) as container:
        stream = _video_stream(container, path)
        known = scan(container.name)
        span = known.spans.get(stream.index)
        if span is None:
            raise EGSTalkerError(f"{path} has no pictures; use a whole video file")
        pictures = PictureFilter(path, container, stream)
        picture = next((frame for frame in pictures.frames() if frame.pts is not None), None)
        if picture is None:
            raise EGSTalkerError(f"{path} has no picture that can be decoded; use a whole video file")
        width, height = pictures.size(picture)
        sound = audio_stream(container, audio_track)
        heard = known.spans.get(sound.index) if sound else None
        declared = (stream.duration or 0) * (stream.time_base or 0) if len(known.shifts) == 1 else 0
    # What comes before the first picture that can be decoded counts for nothing.
    first, end = picture.pts * picture.time_base, span.end
    if end <= span.last:  # no packet durations: the last picture lasts as long as the mean one
        end = span.last + (span.last - span.begin) / max(span.packets - 1, 1)
    if declared > (end - span.begin) + 1:
        seconds = float(end - span.begin)
        raise EGSTalkerError(f"{path} is truncated: {seconds:.1f} of {float(declared):.1f} s; copy it again")
    if span.widest[1] > MAX_GAP:
        still = timestamp(span.widest[0] - float(span.begin))
        raise EGSTalkerError(f"{path} shows one picture from {still} on for {span.widest[1]:.0f} s; cut the file there")
    return VideoInfo(
        width=width,
        height=height,
        fps=float(span.packets / (end - span.begin)) if end > span.begin else 0.0,
        start=float(first),
        seconds=float(end - first),
        audio_start=float(heard.begin - first) if heard else 0.0,
        audio_end=float(heard.end - first) if heard else 0.0,
        has_audio=heard is not None,
    )


def read_frames(path: Path | str, num_frames: int | None = None) -> Iterator[np.ndarray]:
    """The pictures of a video at constant 25 fps.

    Frame i is the latest picture that begins before the middle of the 40 ms from i / 25 s on.

    Args:
        path: of a video file.
        num_frames: how many frames to yield; the last picture is held where the file ends up to half a second early.
            None: as many as there are.

    Yields:
        Upright RGB uint8 [H, W, 3].

    Raises:
        EGSTalkerError: unreadable, no picture, or more than half a second short of ``num_frames``.
    """
    count, image = 0, None
    for _, picture in _slots(path, num_frames):
        count, image = count + 1, picture.rgb
        yield image
    if num_frames is None or count == num_frames:
        return
    if image is None or num_frames - count > FPS // 2:
        raise EGSTalkerError(f"{path} is damaged: {count} of {num_frames} frames can be decoded; export it again")
    for _ in range(num_frames - count):
        yield image


def sample_frames(path: Path | str, num_frames: int, count: int) -> list[np.ndarray]:
    """Some frames of a video at 25 fps, evenly spread.

    Args:
        path: of a video file.
        num_frames: frames from the start among which to choose.
        count: how many to choose, at most.

    Returns:
        Upright RGB uint8 [H, W, 3] each; fewer than ``count`` where the file ends early.

    Raises:
        EGSTalkerError: the file is missing, unreadable or without a picture.
    """
    wanted = np.unique(np.linspace(0, num_frames - 1, min(count, num_frames)).round().astype(int)).tolist()
    if len(wanted) * _FAR > num_frames:
        return [picture.rgb for slot, picture in _slots(path, num_frames) if slot in wanted]
    info = probe(path)
    return [picture.rgb for slot in wanted for _, picture in read_stretch(path, info, range(slot, slot + 1))]


def read_stretch(path: Path | str, info: VideoInfo, frames: range) -> Iterator[tuple[int, Picture]]:
    """Consecutive frames of a video at 25 fps; mp4, mov, mkv and webm are read from the key frame before the first.

    Args:
        path: of a video file.
        info: what :func:`probe` says of it.
        frames: their numbers, of step 1.

    Yields:
        each frame's number and its picture; the first ones lack where the file cannot be entered before them, and the
        last ones where it ends early.

    Raises:
        EGSTalkerError: the file is missing, unreadable or without a picture.
    """
    for slot, picture in _slots(path, frames.stop, frames.start, Fraction(info.start)):
        if slot in frames:
            yield slot, picture


def _slots(
    path: Path | str, num_frames: int | None, first: int = 0, start: Fraction = Fraction(0)
) -> Iterator[tuple[int, Picture]]:
    """Frame numbers at 25 fps and their pictures.

    Args:
        path: of a video file.
        num_frames: the number to stop before; None: all there are.
        first: the number before which the file may be entered, where its format lets one.
        start: seconds on the file's clock at which frame 0 begins; the first picture's where ``first`` is 0.
    """
    with open_media(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        pictures = PictureFilter(path, container, stream)
        slot, latest = 0, None
        entered = first > 0 and _enter(container, stream, start + Fraction(first, FPS))

        def emit(stop: int) -> Iterator[tuple[int, Picture]]:
            nonlocal slot
            picture = Picture(pictures, latest)
            while slot < (stop if num_frames is None else min(stop, num_frames)):
                yield slot, picture
                slot += 1

        for frame in pictures.frames():
            if frame.pts is None:
                continue
            time = frame.pts * frame.time_base
            if latest is None:
                start = start if entered else time
                slot = max(0, _slot_at(time - start)) if entered else 0
            else:
                yield from emit(_slot_at(time - start))
                if num_frames is not None and slot >= num_frames:
                    return
            latest, ends = frame, time - start + (frame.duration or 0) * frame.time_base
        if latest is not None:
            yield from emit(max(_whole_slots(ends), 1))


def _enter(container: Any, stream: Any, time: Fraction) -> bool:
    """Go to the key frame before a time, where the file lets one; whether it did."""
    is_indexed = container.format.name.split(",")[0] in _INDEXED
    if not is_indexed or len(scan(container.name).shifts) > 1:  # or each recording in it has a clock of its own
        return False
    with contextlib.suppress(av.FFmpegError):
        container.seek(math.floor(time / stream.time_base), stream=stream)
        return True
    return False


def _slot_at(seconds: Fraction) -> int:
    """The first frame at 25 fps that shows a picture which begins so long after the start."""
    return math.ceil((seconds - _HALF_SLOT) * FPS)


def _whole_slots(seconds: float | Fraction) -> int:
    """How many 40 ms fit; a twentieth of one may lack, since files' clocks round."""
    return math.floor(seconds * FPS + 0.05)


def _video_stream(container: Any, path: Path | str) -> Any:
    streams = films(container)
    if not streams:
        raise EGSTalkerError(f"{path} has no picture that can be decoded; give a video file")
    return streams[0]
