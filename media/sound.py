"""The sound of audio and video files of any codec, layout and rate; and WAV files."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from arguments.atomic import atomic_path
from arguments.clock import SAMPLE_RATE
from arguments.errors import EGSTalkerError
from media.container import decodable, decoded, open_media


def iter_audio(path: Path | str, rate: int = SAMPLE_RATE, *, origin: float | None = None) -> Iterator[np.ndarray]:
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
    with open_media(path) as container:
        stream = next(iter(decodable(container.streams.audio)), None)
        if stream is None:
            raise EGSTalkerError(f"{path} has no audio track that can be decoded; use a file with speech in it")
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        drop, empty = 0, True
        for frame in decoded(container, stream):
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


def read_audio(path: Path | str, rate: int = SAMPLE_RATE, *, origin: float | None = None) -> np.ndarray:
    """All that :func:`iter_audio` yields with these arguments, in one piece.

    Returns:
        float32 [T] in -1..1 (an hour at 16 kHz is 230 MB).
    """
    return np.concatenate([np.zeros(0, np.float32), *iter_audio(path, rate, origin=origin)])


def write_wav(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE) -> None:
    """Write a mono WAV file of 16-bit PCM, atomically.

    Args:
        path: of the file.
        samples: float [T] in -1..1; what is beyond is clipped.
        rate: samples a second.
    """
    pcm = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
    for block in resampler.resample(frame):
        yield block.to_ndarray().reshape(-1)
