"""What is measured of a face: in frames where there was none, and in those that one may learn from."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int


def interpolate_lost(
    points: Float[np.ndarray, "N *D"], found: Bool[np.ndarray, "N"], fit_frames: int | None = None
) -> Float[np.ndarray, "N *D"]:
    """The values with those of lost frames interpolated linearly (held at the ends).

    Args:
        points: [N, ...].
        found: bool [N], False where the face is lost.
        fit_frames: the first so many frames take nothing from later ones.

    Returns:
        as ``points``.
    """
    if found.all() or not found.any():
        return points
    if fit_frames is not None and found[:fit_frames].any():
        filled = interpolate_lost(points, found)
        filled[:fit_frames] = interpolate_lost(points[:fit_frames], found[:fit_frames])
        return filled
    known = np.flatnonzero(found)
    lost = np.flatnonzero(~found)
    position = np.interp(lost, known, np.arange(len(known)))
    before = np.floor(position).astype(int)
    after = np.minimum(before + 1, len(known) - 1)
    share = (position - before).astype(points.dtype).reshape(-1, *[1] * (points.ndim - 1))
    filled = points.copy()
    filled[lost] = points[known[before]] * (1 - share) + points[known[after]] * share
    return filled


def frames_to_fit(found: Bool[np.ndarray, "N"], fit_frames: int | None = None) -> Bool[np.ndarray, "N"]:
    """The frames that what belongs to the person is fitted on.

    Args:
        found: bool [N], where the face is seen.
        fit_frames: of these, the first so many count (the training part); all unless given.

    Returns:
        bool [N].
    """
    return found & (np.arange(len(found)) < (len(found) if fit_frames is None else fit_frames))


def spread(frames: Int[np.ndarray, "K"], most: int) -> Int[np.ndarray, "k"]:
    """At most ``most`` of ``frames`` [K] (numbers, in order), evenly spread over them."""
    return frames[np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))]
