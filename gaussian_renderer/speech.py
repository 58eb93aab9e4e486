"""Features of any sound file, made piece by piece: memory does not grow with the file's length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from arguments.errors import EGSTalkerError
from data_utils.video import FPS, iter_audio

RATE = 16_000  # Hz, of what the extractors hear
SAMPLES_PER_FRAME = RATE // FPS
PIECE = 60 * FPS  # frames whose features are made at once
CONTEXT = 2 * FPS  # frames of sound that a piece hears before and after itself
SILENCE = 1e-3  # a peak below this (-60 dB) is no speech

Extract = Callable[[Float[np.ndarray, "samples"], int], Float[np.ndarray, "frames D"]]


def speech_features(sound: Path, extract: Extract, work_folder: Path) -> Float[np.ndarray, "N D"]:
    """One row of features per started video frame (40 ms) of a sound file, as an array that lies on disk.

    Args:
        sound: any file with audio that can be decoded.
        extract: features [frames, D] of a number of frames from their 16 kHz samples in -1..1.
        work_folder: where the samples and the features are kept (2 and about 0.4 MB a minute and a hundred values).

    Raises:
        EGSTalkerError: the file cannot be read, has no audio, is silent, or is shorter than one video frame.
    """
    samples = _write_samples(sound, work_folder / "samples.int16")
    num_frames = -(-len(samples) // SAMPLES_PER_FRAME)
    features: np.memmap | None = None
    for start in range(0, num_frames, PIECE):
        stop = min(start + PIECE, num_frames)
        first, last = max(start - CONTEXT, 0), min(stop + CONTEXT, num_frames)
        piece = np.zeros((last - first) * SAMPLES_PER_FRAME, dtype=np.float32)
        heard = samples[first * SAMPLES_PER_FRAME : last * SAMPLES_PER_FRAME]
        piece[: len(heard)] = heard.astype(np.float32) / 32768
        rows = np.asarray(extract(piece, last - first), dtype=np.float32).reshape(last - first, -1)
        if features is None:
            shape = (num_frames, rows.shape[1])
            features = np.lib.format.open_memmap(work_folder / "features.npy", "w+", np.float32, shape)
        features[start:stop] = rows[start - first : stop - first]
    assert features is not None  # there is at least one frame
    return features


def _write_samples(sound: Path, target: Path) -> np.ndarray:
    peak, length = 0.0, 0
    with target.open("wb") as file:
        for block in iter_audio(sound, RATE):
            finite = np.nan_to_num(block).clip(-1, 1)
            peak = max(peak, float(np.abs(finite).max(initial=0.0)))
            length += len(finite)
            file.write((finite * 32767).round().astype(np.int16).tobytes())
    if length < SAMPLES_PER_FRAME:
        raise EGSTalkerError(f"{sound} holds {length / RATE * 1000:.0f} ms of sound; a video needs at least 40 ms")
    if peak < SILENCE:
        raise EGSTalkerError(f"{sound} is silent; give a recording of speech")
    return np.memmap(target, dtype=np.int16, mode="r")
