"""Pearson's correlation of two signals over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

MIN_SAMPLES = 3  # two points always lie on a line


def correlation(signal: ArrayLike, truth: ArrayLike) -> float | None:
    """Pearson's correlation (-1..1) of two signals of equal length, over the samples that are finite in both.

    Returns None where it is undefined: fewer than three such samples, or one of the signals does not change.

    Raises:
        ValueError: the lengths differ.
    """
    a, b = np.asarray(signal, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"correlation needs two signals of equal length, not {a.shape} and {b.shape}")
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < MIN_SAMPLES:
        return None
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    spread = np.sqrt((a @ a) * (b @ b))
    # A constant signal leaves rounding errors of its mean, not zeros.
    if spread <= 1e-12 * max(1.0, np.abs(signal).max() * np.abs(truth).max()) * known.sum():
        return None
    return float(np.clip((a @ b) / spread, -1.0, 1.0))
