"""What is measured of a face, in frames where there was none."""

from __future__ import annotations

import numpy as np


def interpolate_lost(points: np.ndarray, found: np.ndarray) -> np.ndarray:
    """``points`` [N, ...] with the frames that are not ``found`` [N] interpolated linearly (held at the ends)."""
    if found.all() or not found.any():
        return points
    known = np.flatnonzero(found)
    position = np.interp(np.arange(len(found)), known, np.arange(len(known)))
    before = np.floor(position).astype(int)
    after = np.minimum(before + 1, len(known) - 1)
    share = (position - before).astype(points.dtype).reshape(-1, *[1] * (points.ndim - 1))
    return points[known[before]] * (1 - share) + points[known[after]] * share
