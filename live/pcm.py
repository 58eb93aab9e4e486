"""Sound as callers hand it over: PCM of several kinds becomes mono samples, or is refused in one line."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from arguments.errors import EGSTalkerError

Pcm = np.ndarray | bytes | bytearray | memoryview
"""Samples [T] or [T, C]: int16, int32, or floats of -1..1; bytes are int16, little-endian, channels in turn."""

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
"""Hz, of sound that is taken."""
MOST_CHANNELS = 8
_FULL_SCALE = {np.dtype(np.int16): 2.0**15, np.dtype(np.int32): 2.0**31}


def check_rate(rate: object) -> int:
    """A rate that is taken, Hz. Raises EGSTalkerError where it is none of :data:`RATES`."""
    if isinstance(rate, (int, np.integer)) and int(rate) in RATES:
        return int(rate)
    raise EGSTalkerError(f"sound of {rate!r:.40} Hz is not taken; resample it to one of {', '.join(map(str, RATES))}")


def mono(pcm: object, channels: object = 1) -> Float32[np.ndarray, "T"]:
    """The mean of the channels, -1..1.

    Args:
        pcm: any number of samples, as :data:`Pcm`. What is beyond full scale becomes that, what is no number silence.
        channels: of bytes, and of flat arrays, whose samples come in turn.

    Raises:
        EGSTalkerError: it is no PCM, or no whole number of samples.
    """
    if not isinstance(channels, (int, np.integer)) or not 1 <= channels <= MOST_CHANNELS:
        raise EGSTalkerError(f"sound of {channels!r:.40} channels is not taken; give 1 to {MOST_CHANNELS}")
    samples = pcm if isinstance(pcm, np.ndarray) else _of_bytes(pcm)
    if samples.dtype not in _FULL_SCALE and samples.dtype not in (np.float32, np.float64):
        raise EGSTalkerError(f"sound of the type {samples.dtype} is not taken; give int16, int32, float32 or float64")
    if samples.ndim == 1:
        if len(samples) % channels:
            raise EGSTalkerError(
                f"{len(samples)} samples are not those of {channels} channels; give whole frames of them"
            )
        samples = samples.reshape(-1, channels)
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= MOST_CHANNELS:
        raise EGSTalkerError(f"sound of the shape {samples.shape} is not taken; give samples, or samples x channels")
    values = samples / _FULL_SCALE.get(samples.dtype, 1.0)
    values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)
    return values.mean(axis=1).astype(np.float32)


def _of_bytes(pcm: object) -> np.ndarray:
    if not isinstance(pcm, (bytes, bytearray, memoryview)):
        raise EGSTalkerError(f"sound is an array or bytes, not {type(pcm).__name__}")
    content = bytes(pcm)
    if len(content) % 2:
        raise EGSTalkerError(f"{len(content)} bytes are no whole number of 16-bit samples")
    return np.frombuffer(content, "<i2").astype(np.int16)


def to_int16(samples: Float32[np.ndarray, "T"]) -> np.ndarray:
    """Samples of -1..1 as 16-bit PCM; what came as that is again what it was."""
    return np.rint(samples * 2.0**15).clip(-(2**15), 2**15 - 1).astype(np.int16)
