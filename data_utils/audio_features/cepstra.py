"""Mel-frequency cepstra (Davis and Mermelstein, 1980) with the constants of CMU Sphinx's wide-band models.

Pre-emphasis 0.97, Hamming windows of 410 samples every 10 ms, 25 triangles of unit area between 130 and 6800 Hz whose
corners lie on the transform's bins, an orthonormal cosine transform to 13 values, a sine lifter of 22. The streams are
the cepstra less their mean, the deltas over four pieces, and the deltas' own deltas ("1s_c_d_dd").
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from jaxtyping import Float
from scipy.fft import dct
from torch import Tensor

from arguments.clock import SAMPLE_RATE
from arguments.device import CPU
from data_utils.audio_features.hops import HOPS_PER_FRAME, windows

CEPSTRA = 13
DELTA_FRAMES = 1  # video frames on either side that the deltas of a row's pieces reach into: three pieces

_WINDOW = 410  # samples, 25.6 ms
_TRANSFORM = 512
_PRE_EMPHASIS = 0.97
_FILTERS = 25
_LOWEST, _HIGHEST = 130, 6800  # Hz
_LIFTER = 22


def cepstra(
    samples: np.ndarray, start: int, stop: int, gain: float, floor: float, device: str = CPU
) -> Float[Tensor, "M 13"]:
    """Cepstra of the pieces of rows start..stop.

    Args:
        samples: mono [T] at 16 kHz, -1..1; may lie on disk.
        start, stop: video frames, four pieces each; they may lie beyond the sound's ends, where there is silence.
        gain: by which the samples are multiplied.
        floor: power added to every band; the value of silence.
        device: where it is done.

    Returns:
        [4 (stop - start), 13] float32, the first of them the loudness.
    """
    pieces = windows(samples, start, stop, _WINDOW + 2, device) * gain
    window, triangles, transform = (torch.from_numpy(table()).to(device) for table in (_hamming, _triangles, _cosines))
    emphasised = (pieces[:, 1:-1] - _PRE_EMPHASIS * pieces[:, :-2]) * window
    power = torch.fft.rfft(emphasised, _TRANSFORM).abs().square()
    return (power @ triangles + floor).log() @ transform


def with_deltas(values: Float[Tensor, "T 13"]) -> Float[Tensor, "T-8 3 13"]:
    """The three streams of the pieces that have a video frame of pieces on either side."""
    edge = DELTA_FRAMES * HOPS_PER_FRAME
    inner = range(edge, len(values) - edge)
    piece = lambda shift: values[inner.start + shift : inner.stop + shift]  # noqa: E731
    delta = piece(2) - piece(-2)
    second = (piece(3) - piece(-1)) - (piece(1) - piece(-3))
    return torch.stack([piece(0), delta, second], dim=1)


@functools.cache
def _hamming() -> Float[np.ndarray, "410"]:
    return np.hamming(_WINDOW).astype(np.float32)


@functools.cache
def _triangles() -> Float[np.ndarray, "257 25"]:
    lowest, highest = 2595 * np.log10(1 + np.array([_LOWEST, _HIGHEST]) / 700)
    mel = np.linspace(lowest, highest, _FILTERS + 2)
    spacing = SAMPLE_RATE / _TRANSFORM
    corners = np.floor(700 * (10 ** (mel / 2595) - 1) / spacing + 0.5) * spacing
    low, peak, high = (corners[i : i + _FILTERS, None] for i in range(3))
    hertz = np.arange(_TRANSFORM // 2 + 1) * spacing
    slopes = np.minimum((hertz - low) / (peak - low), (high - hertz) / (high - peak)).clip(0)
    return np.ascontiguousarray((slopes * 2 / (high - low)).T, np.float32)


@functools.cache
def _cosines() -> Float[np.ndarray, "25 13"]:
    """From the bands' logarithms to the liftered cepstra."""
    lifter = 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / _LIFTER)
    return (dct(np.eye(_FILTERS), type=2, norm="ortho", axis=1)[:, :CEPSTRA] * lifter).astype(np.float32)
