"""The sound of audio and video files of any codec, layout and rate, each sample when it is heard; and WAV files."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from arguments.atomic import atomic_path
from arguments.clock import SAMPLE_RATE
from media.container import decoded, open_media
from media.resampling import PieceResampler
from media.sound_survey import SoundSurvey, survey
from media.tracks import audio_stream


def iter_audio(
    path: Path | str,
    rate: int = SAMPLE_RATE,
    *,
    origin: float | None = None,
    seconds: float | None = None,
    track: int | None = None,
) -> Iterator[np.ndarray]:
    """The sound of any audio or video file, mixed to mono, in blocks of about a second or less.

    Every sample comes when the file's time stamps say: gaps are silence, what overlaps is cut, and a clock that drifts
    is resampled away (:mod:`media.sound_clock`). Stereo channels that cancel each other are not mixed: the louder is
    taken.

    Args:
        path: of the file.
        rate: samples a second of the result.
        origin: seconds on the file's clock that become sample 0 (a video's ``VideoInfo.start``): what is earlier is
            dropped, and sound that begins later is preceded by silence. None: the first sample there is.
        seconds: the length after which the rest is left out. None: all.
        track: number of the audio track, from 1 on; None: see :func:`media.tracks.audio_stream`.

    Yields:
        float32 [T] in -1..1.

    Raises:
        EGSTalkerError: missing, unreadable, without sound or such a track, or of a clock that leaps.
    """
    known = survey(path, track)
    begin = known.start if origin is None else origin
    left = None if seconds is None else round(seconds * rate)
    for block in _placed(path, rate, begin, track):
        if left is not None:
            block = block[:left]
            left -= len(block)
        if len(block):
            yield block
        if left == 0:
            return


def read_audio(
    path: Path | str,
    rate: int = SAMPLE_RATE,
    *,
    origin: float | None = None,
    seconds: float | None = None,
    track: int | None = None,
) -> np.ndarray:
    """All that :func:`iter_audio` yields with these arguments, in one piece.

    Returns:
        float32 [T] in -1..1 (an hour at 16 kHz is 230 MB).
    """
    blocks = iter_audio(path, rate, origin=origin, seconds=seconds, track=track)
    return np.concatenate([np.zeros(0, np.float32), *blocks])


def write_wav(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE) -> None:
    """Write a mono WAV file of 16-bit PCM, atomically.

    Args:
        path: of the file.
        samples: float [T] in -1..1; what is beyond is clipped.
        rate: samples a second.
    """
    write_wav_blocks(path, [samples], rate)


def write_wav_blocks(path: Path, blocks: Iterable[np.ndarray], rate: int) -> None:
    """:func:`write_wav` of samples that come block by block; where they break off there is no file."""
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for block in blocks:
            file.writeframes(np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())


def _placed(path: Path | str, rate: int, origin: float, track: int | None) -> Iterator[np.ndarray]:
    """Blocks that follow each other, the first of which begins at ``origin``."""
    known = survey(path, track)
    written = 0  # samples so far
    for place, block in _pieces(path, known, rate, origin, track):
        for gap in range(written, place, rate):
            yield np.zeros(min(rate, place - gap), np.float32)
        new = block[max(written - place, 0) :]
        written = max(written, place + len(block))
        if len(new):
            yield new


def _pieces(
    path: Path | str, known: SoundSurvey, rate: int, origin: float, track: int | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks, and the sample after the origin at which each begins: there may be gaps between them, and overlaps."""
    starts = {piece.first: piece for piece in known.pieces}
    place = 0
    resampler: PieceResampler | None = None
    with open_media(path) as container:
        for number, frame in enumerate(decoded(container, audio_stream(container, track))):
            if number in starts:
                for block in resampler.flush() if resampler else ():
                    yield place, block
                    place += len(block)
                place = round((starts[number].start - origin) * rate)
                resampler = PieceResampler(starts[number], rate, known.channel)
            for block in resampler.push(frame) if resampler else ():
                yield place, block
                place += len(block)
    for block in resampler.flush() if resampler else ():
        yield place, block
        place += len(block)
