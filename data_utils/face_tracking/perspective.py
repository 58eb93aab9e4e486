"""A head's pose before a pinhole camera: projection, its derivatives, and pose fitting for all frames at once.

The camera is OpenGL's (x right, y up, z back; the head at negative z), its principal point the image centre, pixel
centres at +0.5:  X = R S + t,  u = cx + f X_x / (-X_z),  v = cy - f X_y / (-X_z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from data_utils.face_tracking import rotations
from data_utils.lost_frames import interpolate_lost

CAUCHY_WIDTH = 2.5  # standard deviations beyond which an observation loses its say
_CHUNK = 128  # frames whose Jacobians are held at once
_NEAREST = 0.5  # decimetres: a head is never nearer than 5 cm


@dataclass(frozen=True)
class Poses:
    """Head-to-camera poses of N frames."""

    rotation: Float64[np.ndarray, "N 3 3"]
    translation: Float64[np.ndarray, "N 3"]  # decimetres

    def __len__(self) -> int:
        return len(self.translation)

    def __getitem__(self, index: Int[np.ndarray, "K"] | slice) -> Poses:
        return Poses(self.rotation[index], self.translation[index])

    def transform(self, points: Float[np.ndarray, "P 3"] | Float[np.ndarray, "N P 3"]) -> Float64[np.ndarray, "N P 3"]:
        """Head frame [P, 3] or [N, P, 3] to camera frame [N, P, 3]."""
        return points @ np.swapaxes(self.rotation, -1, -2) + self.translation[:, None]

    def moved(self, step: Float64[np.ndarray, "N 6"]) -> Poses:
        """Each pose after a step [N, 6]: rotation vector about the head's origin in camera axes, then translation."""
        return Poses(rotations.exp(step[:, :3]) @ self.rotation, self.translation + step[:, 3:])

    def filled(self, found: Bool[np.ndarray, "N"], fit_frames: int | None = None) -> Poses:
        """The poses with those of frames that are not ``found`` [N] interpolated between their neighbours.

        The first ``fit_frames`` take nothing from later ones.
        """
        rotation = rotations.interpolate(self.rotation, found)
        if fit_frames is not None and found[:fit_frames].any():
            rotation[:fit_frames] = rotations.interpolate(self.rotation[:fit_frames], found[:fit_frames])
        return Poses(rotation, interpolate_lost(self.translation, found, fit_frames))

    def reframed(self, axes: Float64[np.ndarray, "3 3"], origin: Float64[np.ndarray, "3"]) -> Poses:
        """The same poses for a head frame with new = axes @ (old - origin): axes [3, 3] and origin [3]."""
        return Poses(self.rotation @ axes.T, self.translation + self.rotation @ origin)


def project(
    points: Float64[np.ndarray, "*B 3"], focal: float, centre: tuple[float, float]
) -> Float64[np.ndarray, "*B 2"]:
    """Pixels of points before the camera.

    Args:
        points: [..., 3] in the camera's frame, decimetres.
        focal: pixels.
        centre: principal point, pixels.

    Returns:
        [..., 2].
    """
    depth = np.maximum(-points[..., 2], _NEAREST)
    u = centre[0] + focal * points[..., 0] / depth
    v = centre[1] - focal * points[..., 1] / depth
    return np.stack([u, v], axis=-1)


def point_jacobian(points: Float64[np.ndarray, "*B 3"], focal: float) -> Float64[np.ndarray, "*B 2 3"]:
    """d pixel / d point.

    Args:
        points: [..., 3] in the camera's frame, decimetres.
        focal: pixels.

    Returns:
        [..., 2, 3] pixels a decimetre.
    """
    x, y, z = np.moveaxis(points, -1, 0)
    scale = focal / np.maximum(-z, _NEAREST)
    ratio = scale / np.maximum(-z, _NEAREST)
    zero = np.zeros_like(x)
    return np.stack([scale, zero, x * ratio, zero, -scale, -y * ratio], axis=-1).reshape(*x.shape, 2, 3)


def pose_jacobian(
    points: Float64[np.ndarray, "N P 3"], translation: Float64[np.ndarray, "N 3"], focal: float
) -> Float64[np.ndarray, "N P 2 6"]:
    """d pixel / d step of :meth:`Poses.moved`.

    Args:
        points: [N, P, 3] in the camera's frame, decimetres.
        translation: [N, 3] of the poses, decimetres.
        focal: pixels.

    Returns:
        [N, P, 2, 6].
    """
    by_point = point_jacobian(points, focal)
    lever = rotations.cross_matrix(points - translation[:, None])
    return np.concatenate([-by_point @ lever, by_point], axis=-1)


def cauchy_weight(squared: Float64[np.ndarray, "*B"]) -> Float64[np.ndarray, "*B"]:
    """Weight 0..1 that Cauchy's loss gives a residual in iteratively reweighted least squares.

    Args:
        squared: any shape, squared residuals over their variance.
    """
    return 1.0 / (1.0 + squared / CAUCHY_WIDTH**2)


def weak_perspective_poses(
    rotation: Float64[np.ndarray, "N 3 3"],
    scale: Float64[np.ndarray, "N"],
    origin: Float64[np.ndarray, "N 2"],
    focal: float,
    centre: tuple[float, float],
) -> Poses:
    """Poses from scaled orthography.

    Args:
        rotation: [N, 3, 3].
        scale: [N] pixels a decimetre.
        origin: [N, 2] the head origin's pixel.
        focal: pixels.
        centre: principal point, pixels.
    """
    depth = focal / scale
    x = (origin[:, 0] - centre[0]) * depth / focal
    y = (centre[1] - origin[:, 1]) * depth / focal
    return Poses(rotation, np.stack([x, y, -depth], axis=-1))


def fit_poses(
    shape: Float64[np.ndarray, "P 3"] | Float64[np.ndarray, "N P 3"],
    observed: Float[np.ndarray, "N P 2"],
    noise: Float64[np.ndarray, "P"] | Float64[np.ndarray, "N P"],
    focal: float,
    centre: tuple[float, float],
    start: Poses,
    iterations: int = 8,
) -> Poses:
    """Each frame's pose that best projects a known shape on its landmarks: Gauss-Newton with Cauchy's loss.

    Args:
        shape: [P, 3] head frame, or [N, P, 3].
        observed: [N, P, 2] pixels.
        noise: [P] or [N, P] standard deviations in pixels; infinite leaves a point out.
        focal: pixels.
        centre: principal point, pixels.
        start: poses to start from.
    """
    shape = np.broadcast_to(shape, (*observed.shape[:2], 3))
    precision = np.broadcast_to(1.0 / noise**2, observed.shape[:2])
    used = np.flatnonzero(precision.any(axis=0))
    parts = []
    for first in range(0, len(observed), _CHUNK):
        rows = slice(first, first + _CHUNK)
        poses = start[rows]
        moving = np.ones(len(poses), bool)
        for _ in range(iterations):
            points = poses.transform(shape[rows][:, used])
            residual = observed[rows][:, used] - project(points, focal, centre)
            weight = precision[rows][:, used]
            weight = weight * cauchy_weight(weight * (residual**2).sum(-1))
            jacobian = pose_jacobian(points, poses.translation, focal)
            count, total = len(points), 2 * len(used)
            flat = jacobian.reshape(count, total, 6)
            weighted = np.swapaxes(flat * np.repeat(weight, 2, axis=1)[..., None], 1, 2)
            normal = weighted @ flat + 1e-9 * np.eye(6)
            step = np.linalg.solve(normal, weighted @ residual.reshape(count, total, 1))[..., 0]
            poses = poses.moved(_bounded(step, poses) * moving[:, None])
            moving &= np.abs(step).max(axis=1) >= 1e-7  # each stops by itself, whatever the others do
            if not moving.any():
                break
        parts.append(poses)
    return Poses(np.concatenate([p.rotation for p in parts]), np.concatenate([p.translation for p in parts]))


def _bounded(step: Float64[np.ndarray, "N 6"], poses: Poses) -> Float64[np.ndarray, "N 6"]:
    """Keep a step within 0.3 rad and a third of the distance, so that a wild frame stays before the camera."""
    turn = np.linalg.norm(step[:, :3], axis=1) / 0.3
    shift = np.linalg.norm(step[:, 3:], axis=1) / (np.linalg.norm(poses.translation, axis=1) / 3)
    return step / np.maximum(1.0, np.maximum(turn, shift))[:, None]
