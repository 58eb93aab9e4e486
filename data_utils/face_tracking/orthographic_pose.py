"""First poses of a known shape, by scaled orthography: closed form, no start needed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64


def orthographic_poses(
    shape: Float64[np.ndarray, "P 3"], pixels: Float64[np.ndarray, "N P 2"], weight: Float64[np.ndarray, "P"]
) -> tuple[Float64[np.ndarray, "N 3 3"], Float64[np.ndarray, "N"], Float64[np.ndarray, "N 2"]]:
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
