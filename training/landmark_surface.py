"""A face's surface from 68 landmarks and poses, for datasets whose track has no vertices.

Each landmark's ray meets the plane on which it lies in the head's frame. How far it lies before or behind the eyes is
an adult face's; how far these are from the head's origin shows as the head turns, for the points of nose bridge and eye
corners must stay where they are. So the points do, in the plane of the face, what landmarks do in the picture.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import Delaunay
from torch import Tensor

from scene.cameras import Camera

_EYE_CORNERS = (36, 45)  # iBUG's 68 landmarks: outer corners
_RIGID = (27, 28, 29, 30, 36, 39, 42, 45)  # nose bridge and eye corners: what no expression moves far
_MIDDLE, _CURVATURE = 0.13, -0.7  # how far the face's middle line is before the eye corners, and falls off sideways
_NOSE = (0.0, 0.08, 0.16, 0.19, 0.03, 0.08, 0.10, 0.08, 0.03)  # landmarks 27 to 35 before that
_EYES_AT, _EYES_SPREAD = 0.4, 0.3  # decimetres before the head's origin, over trackers and people
_NOISE = 0.01  # decimetres, of a landmark


def landmark_surface(
    camera: Camera, landmarks: Float[np.ndarray, "N 68 2"], frames: list[int]
) -> tuple[Float[Tensor, "N 68 3"], Int[Tensor, "F 3"]]:
    """Points of the face in every frame, and their triangles.

    Args:
        camera: of the N frames, in the head's frame; decimetres.
        landmarks: of the N frames, pixels.
        frames: some that show the face, which tell how deep it lies.

    Returns:
        [N, 68, 3] float32 decimetres, head frame; [F, 3].
    """
    origins, slopes = _rays(camera, landmarks)
    depth, relief = _EYES_AT, np.zeros(68)
    for _ in range(3):
        points = _on_planes(origins, slopes, depth + relief)
        relief = _relief(np.median(points[frames], axis=0))
        depth = _depth(origins[frames], slopes[frames], relief)
    points = _on_planes(origins, slopes, depth + relief)
    faces = Delaunay(np.median(points[frames, :, :2], axis=0)).simplices
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(faces.astype(np.int64))


def _rays(camera: Camera, landmarks: np.ndarray) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 68 2"]]:
    """Where each frame's rays begin, and how far x and y go along each while z goes by one."""
    intrinsics, viewmats = camera.intrinsics.double().numpy(), camera.viewmats.double().numpy()
    centre, focal = intrinsics[:, None, :2, 2], intrinsics[:, None, (0, 1), (0, 1)]
    ahead = np.concatenate([(landmarks - centre) / focal, np.ones((*landmarks.shape[:2], 1))], axis=-1)
    directions = ahead @ viewmats[:, :3, :3]  # the transpose of world to camera, from the left
    origins = -np.einsum("nji,nj->ni", viewmats[:, :3, :3], viewmats[:, :3, 3])
    along = np.where(np.abs(directions[..., 2:]) < 1e-6, -1e-6, directions[..., 2:])
    return origins, directions[..., :2] / along


def _on_planes(origins: np.ndarray, slopes: np.ndarray, depths: np.ndarray) -> Float[np.ndarray, "N 68 3"]:
    """Where the rays are at ``depths`` (z) of their landmarks."""
    z = np.broadcast_to(depths, slopes.shape[:2])
    flat = origins[:, None, :2] + (z - origins[:, 2:])[..., None] * slopes
    return np.concatenate([flat, z[..., None]], axis=-1)


def _relief(face: Float[np.ndarray, "68 3"]) -> Float[np.ndarray, "68"]:
    """How far each landmark of a mean face lies before the outer eye corners."""
    first, last = (face[i, 0] for i in _EYE_CORNERS)
    size = max(abs(last - first), 1e-6)
    sideways = (face[:, 0] - (first + last) / 2) / size
    relief = _MIDDLE + _CURVATURE * np.minimum(np.abs(sideways), 1) ** 2
    relief[27:36] += _NOSE
    return size * relief


def _depth(origins: np.ndarray, slopes: np.ndarray, relief: np.ndarray) -> float:
    """The z of the eye corners under which rigid landmarks move least over the frames; the usual one holds it."""
    rigid = list(_RIGID)
    at_usual = _on_planes(origins, slopes, _EYES_AT + relief)[:, rigid, :2]
    moved, rate = (values - values.mean(axis=0) for values in (at_usual, slopes[:, rigid]))
    frames, points = moved.shape[:2]
    held = (_NOISE / _EYES_SPREAD) ** 2 * frames * points
    return float(_EYES_AT - (moved * rate).sum() / ((rate**2).sum() + held))
