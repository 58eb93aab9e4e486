"""Mel-frequency cepstral coefficients (Davis and Mermelstein, 1980), with the constants DeepSpeech was trained on.

These are the defaults of the package python_speech_features: pre-emphasis 0.97, windows of 25 ms every 10 ms without
a taper, 26 triangles equally spaced on O'Shaughnessy's mel scale, their logarithms' orthonormal cosine transform, a
sine lifter of 22, and the logarithm of the window's energy in place of the first coefficient.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float
from scipy.fft import dct

SAMPLE_RATE = 16000
HOP = 160  # samples, 10 ms
WINDOW = 400  # samples, 25 ms
COEFFICIENTS = 26
_TRANSFORM = 512
_PRE_EMPHASIS = 0.97
_LIFTER = 22
_CHUNK = 6000  # windows, a minute: bounds the memory of a long recording


def mfcc(samples: Float[np.ndarray, "T"]) -> Float[np.ndarray, "M 26"]:
    """Cepstra of every 10 ms; the last window is filled with zeros.

    Args:
        samples: mono [T] at 16 kHz, of 16-bit size (-32768..32767).

    Returns:
        [M, 26], M = 1 + ceil((T - 400) / 160).
    """
    count = 1 + max(0, -(-(len(samples) - WINDOW) // HOP))
    emphasised = np.append(samples[:1], samples[1:] - _PRE_EMPHASIS * samples[:-1])
    padded = np.pad(emphasised, (0, max(0, (count - 1) * HOP + WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    return np.concatenate([_cepstra(frames[start : start + _CHUNK]) for start in range(0, count, _CHUNK)])


def _cepstra(frames: Float[np.ndarray, "M 400"]) -> Float[np.ndarray, "M 26"]:
    power = np.square(np.abs(np.fft.rfft(frames, _TRANSFORM))) / _TRANSFORM
    energy = _above_zero(power.sum(1))
    bands = np.log(_above_zero(power @ _triangles().T))
    lifter = 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / _LIFTER)
    cepstra = dct(bands, type=2, norm="ortho", axis=1)[:, :COEFFICIENTS] * lifter
    cepstra[:, 0] = np.log(energy)
    return cepstra


def _above_zero(values: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    return np.where(values == 0, np.finfo(float).eps, values)


@functools.cache
def _triangles() -> Float[np.ndarray, "26 257"]:
    mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), COEFFICIENTS + 2)
    corners = np.floor((_TRANSFORM + 1) * 700 * (10 ** (mel / 2595) - 1) / SAMPLE_RATE)
    bins = np.arange(_TRANSFORM // 2 + 1)
    low, peak, high = (corners[i : i + COEFFICIENTS, None] for i in range(3))
    rising, falling = (bins - low) / (peak - low), (high - bins) / (high - peak)
    return np.where(bins < peak, rising, falling).clip(0) * ((bins >= low) & (bins < high))
