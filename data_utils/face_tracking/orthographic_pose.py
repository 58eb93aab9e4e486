"""First poses of a known shape, by scaled orthography: closed form, no start needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def orthographic_poses(shape: Array, pixels: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Rotation [N, 3, 3], scale [N] (pixels a decimetre) and the head origin's pixel [N, 2], by scaled orthography.

    The affine camera that fits best, then the nearest scaled rotation.

    Args:
        shape: [P, 3] head frame.
        pixels: [N, P, 2].
        weight: [P].
    """
    share = weight / weight.sum()
    upright = pixels * (1.0, -1.0)
    middle, middles = share @ shape, share @ upright
    centred = shape - middle
    moments = centred.T @ (centred * share[:, None])
    affine = np.swapaxes(np.linalg.solve(moments, (centred * share[:, None]).T @ (upright - middles[:, None])), 1, 2)
    u, values, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    scale = values.mean(axis=1)
    origin = middles - scale[:, None] * (rows @ middle)
    return rotation, scale, origin * (1.0, -1.0)
