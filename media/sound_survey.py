"""One pass over a sound track: when its samples are heard, which channels carry it, how loud it is."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from arguments.clock import timestamp
from arguments.errors import EGSTalkerError
from media.container import decoded, open_media
from media.packet_scan import MAX_GAP, PacketScan, scan
from media.resampling import channels_of
from media.sound_clock import Piece, pieces_of
from media.tracks import audio_stream

MAX_OVERLAP = 1.0  # seconds of sound that may lie under what was heard before
_WORTH_A_WORD = 0.04  # seconds: a frame of a video at 25 fps
_CUT_OFF = 1.0  # seconds by which a file may be shorter than it says
_PRIMING = {"aac": 1024, "mp3": 1105, "mp3float": 1105}  # samples before the first, where no container says so
_CANCELLED = 0.1  # of the louder channel's power; a mean of the two that has less has lost what they said


@dataclass(frozen=True)
class SoundSurvey:
    """What is known of a sound track once all of it was decoded."""

    pieces: tuple[Piece, ...]  # at least one
    channel: int | None  # of a stereo track whose channels cancel each other, the louder; None: they are mixed
    remarks: tuple[str, ...] = field(default=())  # what is done to the sound that a user should know, a line each

    @property
    def start(self) -> float:
        """Seconds on the file's clock at which the sound begins."""
        return self.pieces[0].start


def survey(path: Path | str, track: int | None = None) -> SoundSurvey:
    """Survey a sound track; what was found is remembered for as long as the file stays as it is.

    Args:
        path: of an audio or video file.
        track: number of the audio track, from 1 on; None: see :func:`media.tracks.audio_stream`.

    Raises:
        EGSTalkerError: missing, unreadable, without sound, or of a clock that leaps.
    """
    try:
        status = Path(path).stat()
    except OSError as error:
        raise EGSTalkerError(f"{path} is not a file; give the path of a video or audio file") from error
    return _survey(str(path), track, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _survey(path: str, track: int | None, size: int, changed: int) -> SoundSurvey:
    times, lengths, powers, rate = [], [], np.zeros(3), 1
    with open_media(path) as container:
        stream = audio_stream(container, track)
        if stream is None:
            raise EGSTalkerError(f"{path} has no audio track that can be decoded; use a file with speech in it")
        index, codec, is_avi = stream.index, stream.codec_context.name, container.format.name == "avi"
        for frame in decoded(container, stream):
            times.append(np.nan if frame.pts is None else float(frame.pts * frame.time_base))
            rate = frame.sample_rate
            lengths.append(frame.samples / rate)
            if frame.layout.nb_channels == 2:
                powers += _stereo_powers(frame)
    if not times:
        raise EGSTalkerError(f"{path} has no sound that can be decoded; use a whole audio file")
    known = scan(path)
    later = _later_in_avi(known, index, codec, rate) if is_avi else 0.0
    pieces = pieces_of(np.array(times) + later, np.array(lengths))
    left, right, mean = powers
    louder = (0 if left >= right else 1) if mean < _CANCELLED * max(left, right) else None
    remarks = _remarks(path, pieces)
    if known.declared > known.seconds + _CUT_OFF:
        remarks.append(
            f"{known.seconds:.1f} of the {known.declared:.1f} s that {path} says it lasts can be read; if a copy broke "
            "off, copy it again"
        )
    if louder is not None:
        side = ("left", "right")[louder]
        remarks.append(f"the two channels of the sound cancel each other; the {side} one is taken, which is louder")
    return SoundSurvey(tuple(pieces), louder, tuple(remarks))


def _later_in_avi(known: PacketScan, index: int, codec: str, rate: int) -> float:
    """How much later than its time stamps the sound of an AVI file is heard, seconds.

    AVI cannot say that a coder puts samples before the first one, and counts its pictures from a whole one on: where
    sound and picture begin less than a picture apart, they began together.
    """
    if known.film is None or index not in known.spans or codec not in _PRIMING:
        return 0.0
    picture, length = known.spans[known.film].regular
    apart = picture - (float(known.spans[index].begin) + _PRIMING[codec] / rate)
    return apart if abs(apart) < length else 0.0


def _stereo_powers(frame: av.AudioFrame) -> np.ndarray:
    """Of the left channel, the right one and their mean, summed over the samples; [3]."""
    samples = channels_of(frame)
    (left, both), (_, right) = samples @ samples.T
    powers = np.array([left, right, (left + right + 2 * both) / 4])
    return powers if np.isfinite(powers).all() else np.zeros(3)


def _remarks(path: str, pieces: list[Piece]) -> list[str]:
    """What is done to the pieces, beyond 40 ms.

    Raises:
        EGSTalkerError: the clock leaps too far.
    """
    origin, heard = pieces[0].start, pieces[0].start
    gaps: list[tuple[float, float]] = []
    overlaps: list[tuple[float, float]] = []
    for piece in pieces:
        step = piece.start - heard
        if step > MAX_GAP or step < -MAX_OVERLAP:
            leap = f"leaps by {step:+.1f} s after {timestamp(heard - origin)}"
            raise EGSTalkerError(f"the sound's clock in {path} {leap}; cut the file there, or export it again")
        if step:
            (gaps if step > 0 else overlaps).append((heard - origin, abs(step)))
        heard = max(heard, piece.stop)
    stretch = sum(piece.stretch for piece in pieces)
    remarks = []
    if (total := sum(length for _, length in gaps)) > _WORTH_A_WORD:
        remarks.append(f"the sound has gaps of {total:.2f} s in all, at {_places(gaps)}; silence is put there")
    if (total := sum(length for _, length in overlaps)) > _WORTH_A_WORD:
        remarks.append(f"the sound overlaps itself by {total:.2f} s in all, at {_places(overlaps)}; that is cut out")
    if abs(stretch) > _WORTH_A_WORD:
        kind = "slow" if stretch > 0 else "fast"
        share = abs(stretch) / sum(float(piece.counted[-1]) for piece in pieces)
        remarks.append(
            f"the sound's clock is {share:.2%} {kind}, {abs(stretch):.2f} s in all; it is resampled to keep the time"
        )
    return remarks


def _places(steps: list[tuple[float, float]], most: int = 6) -> str:
    shown = ", ".join(timestamp(time) for time, _ in steps[:most])
    return shown + (f" and {len(steps) - most} more" if len(steps) > most else "")
