"""The face mesh as a surface before the camera: its rigid triangles, and the depth that it has at a pixel."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int

from data_utils.face_tracking import face_topology


def rigid_faces(shape: Float64[np.ndarray, "478 3"], camera: Float64[np.ndarray, "478 3"]) -> Int[np.ndarray, "F 3"]:
    """Triangles [F, 3] that move with the skull and are seen no more than 65 degrees from the side.

    Args:
        shape: [478, 3] head frame.
        camera: the same points in the OpenGL camera's frame.
    """
    faces = face_topology.triangles()
    rigid = face_topology.landmark_noise(shape) < face_topology.RIGID_BELOW
    faces = faces[rigid[faces].all(axis=1)]
    corners = camera[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    view = -corners.mean(axis=1)
    cosine = (normal * view).sum(-1) / (np.linalg.norm(normal, axis=-1) * np.linalg.norm(view, axis=-1) + 1e-12)
    return faces[cosine > np.cos(np.radians(65))]


def vertex_normals(shape: Float64[np.ndarray, "478 3"]) -> Float64[np.ndarray, "478 3"]:
    """Unit normals out of the head, the triangles' weighted by area."""
    faces = face_topology.triangles()
    a, b, c = np.moveaxis(shape[faces], 1, 0)
    total = np.zeros_like(shape)
    for corner in range(3):
        np.add.at(total, faces[:, corner], np.cross(b - a, c - a))
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)


def depths_at(
    pixels: Float64[np.ndarray, "m 2"], corners: Float64[np.ndarray, "F 3 2"], depth: Float64[np.ndarray, "F 3"]
) -> Float64[np.ndarray, "m"]:
    """How far the nearest triangle is at some pixels.

    Args:
        pixels: [m, 2].
        corners: [F, 3, 2] pixels.
        depth: [F, 3] z of the corners in the OpenGL camera's frame, negative.

    Returns:
        [m] z in the camera's frame; NaN beside all triangles.
    """
    a, b, c = np.moveaxis(corners, 1, 0)
    area = _cross(b - a, c - a)
    area = np.where(np.abs(area) < 1e-9, np.inf, area)
    where = pixels[:, None]
    share = np.stack([_cross(b - where, c - where), _cross(c - where, a - where), _cross(a - where, b - where)], -1)
    share = share / area[:, None]
    inverse = (share / depth).sum(-1)  # 1 / z is linear in the image
    z = np.where((share >= -1e-6).all(-1) & (inverse < 0), 1 / np.minimum(inverse, -1e-9), -np.inf)
    nearest = z.max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(nearest), nearest, np.nan)


def _cross(a: Float64[np.ndarray, "... 2"], b: Float64[np.ndarray, "... 2"]) -> Float64[np.ndarray, "..."]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
