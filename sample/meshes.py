"""Grids of triangles: sheets, capsules, tubes along a curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sample.shape import Array


def grid_faces(rows: int, columns: int, wrap: bool = False) -> NDArray[np.int32]:
    """Triangles of a grid whose rows go down and whose columns go right, seen from outside."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    if wrap:
        index = np.concatenate([index, index[:, :1]], 1)
    a, b, a2, b2 = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
    return np.concatenate([np.stack([a, b, b2], -1).reshape(-1, 3), np.stack([a, b2, a2], -1).reshape(-1, 3)])


def tube(
    start: tuple[float, ...], end: tuple[float, ...], first: float, last: float
) -> tuple[Array, NDArray[np.int32]]:
    """Vertices [V, 3] and faces of a closed capsule from a point to another, thick by two radii (dm)."""
    origin, axis = np.array(start, np.float32), np.subtract(end, start).astype(np.float32)
    length = float(np.linalg.norm(axis))
    axis /= length
    side = np.cross(axis, (0, 0, 1.0))
    side /= np.linalg.norm(side)
    front = np.cross(side, axis)
    rows = int(np.clip(length / 0.02, 30, 160))
    s, turn = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 2 * np.pi, 40, endpoint=False), indexing="ij")
    cap = 0.12  # of the rows at each end that close it
    along = np.clip((s - cap) / (1 - 2 * cap), 0, 1)
    radius = first + (last - first) * along
    bend = np.where(s < cap, (s - cap) / cap, np.where(s > 1 - cap, (s - 1 + cap) / cap, 0)) * np.pi / 2
    centre = origin + (along * length + radius * np.sin(bend))[..., None] * axis
    ring = np.cos(turn)[..., None] * side + np.sin(turn)[..., None] * front
    points = centre + (radius * np.cos(bend))[..., None] * ring
    return points.reshape(-1, 3).astype(np.float32), grid_faces(rows, 40, wrap=True)


def wire(middle: Array, radius: Array, around: int) -> tuple[Array, NDArray[np.int32], Array]:
    """A tube along a curve [K, 3] of radii [K]: vertices [K * around, 3], faces, and each one's angle round it."""
    along = np.gradient(np.asarray(middle, np.float64), axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    side = np.empty_like(along)
    carried = np.cross(along[0], np.eye(3)[np.argmin(np.abs(along[0]))])
    for k, direction in enumerate(along):  # the frame is carried along, so that it never flips
        carried = carried - direction * (carried @ direction)
        carried /= np.linalg.norm(carried) + 1e-9
        side[k] = carried
    front = np.cross(along, side)
    ring = np.linspace(0, 2 * np.pi, around, endpoint=False)
    spokes = np.cos(ring)[:, None] * side[:, None] + np.sin(ring)[:, None] * front[:, None]
    points = middle[:, None] + radius[:, None, None] * spokes
    faces = grid_faces(len(middle), around, wrap=True)[:, ::-1].copy()
    return points.reshape(-1, 3).astype(np.float32), faces, np.tile(ring, len(middle))
