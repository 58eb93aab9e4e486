"""Rotations in the batch: matrices, rotation vectors and the Euler angles of a dataset folder.

Closed forms are those of Rodrigues and of J. Solà, "A micro Lie theory for state estimation in robotics" (2018).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial.transform import Rotation

_SIGNS = (1, 1, -1)  # the field's trackers, since AD-NeRF's, count roll the other way round


def euler_to_matrix(euler: Float64[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3 3"]:
    """R = Rx(e0) @ Ry(e1) @ Rz(-e2), as every reader of track_params.pt has it: [..., 3] rad -> [..., 3, 3]."""
    euler = np.asarray(euler, dtype=np.float64) * _SIGNS
    return Rotation.from_euler("XYZ", euler.reshape(-1, 3)).as_matrix().reshape(*euler.shape[:-1], 3, 3)


def matrix_to_euler(matrix: Float64[np.ndarray, "*B 3 3"]) -> Float64[np.ndarray, "*B 3"]:
    """The inverse of :func:`euler_to_matrix`, e1 within +-pi/2: [..., 3, 3] -> [..., 3] rad."""
    matrix = np.asarray(matrix, dtype=np.float64)
    return Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_euler("XYZ").reshape(*matrix.shape[:-2], 3) * _SIGNS


def exp(vector: Float64[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3 3"]:
    """Rotation vectors (axis times angle, rad) to matrices: [..., 3] -> [..., 3, 3]."""
    vector = np.asarray(vector, dtype=np.float64)
    return Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix().reshape(*vector.shape[:-1], 3, 3)


def log(matrix: Float64[np.ndarray, "*B 3 3"]) -> Float64[np.ndarray, "*B 3"]:
    """Matrices to rotation vectors of angle at most pi: [..., 3, 3] -> [..., 3] rad."""
    matrix = np.asarray(matrix, dtype=np.float64)
    return Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_rotvec().reshape(*matrix.shape[:-2], 3)


def mean(matrices: Float64[np.ndarray, "N 3 3"]) -> Float64[np.ndarray, "3 3"]:
    """The chordal mean of [N, 3, 3]: the rotation nearest to the matrices' average."""
    return Rotation.from_matrix(matrices).mean().as_matrix()


def cross_matrix(vector: Float64[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3 3"]:
    """[v]x such that [v]x w = v x w: [..., 3] -> [..., 3, 3]."""
    x, y, z = np.moveaxis(np.asarray(vector, dtype=np.float64), -1, 0)
    zero = np.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return np.stack(rows, axis=-1).reshape(*x.shape, 3, 3)


def interpolate(matrices: Float64[np.ndarray, "N 3 3"], known: Bool[np.ndarray, "N"]) -> Float64[np.ndarray, "N 3 3"]:
    """Replace the unknown of [N, 3, 3] by the slerp between their known neighbours (held constant at the ends)."""
    times = np.flatnonzero(known)
    if len(times) == 1:
        return np.broadcast_to(matrices[times[0]], matrices.shape).copy()
    where = np.arange(len(matrices))
    filled = matrices.copy()
    rotations = Rotation.from_matrix(matrices[times])
    clipped = np.clip(where, times[0], times[-1])
    left = np.clip(np.searchsorted(times, clipped, side="right") - 1, 0, len(times) - 2)
    share = (clipped - times[left]) / (times[left + 1] - times[left])
    step = (rotations[left].inv() * rotations[left + 1]).as_rotvec()
    path = rotations[left] * Rotation.from_rotvec(share[:, None] * step)
    filled[~known] = path.as_matrix()[~known]
    return filled
