"""Carry a rigid track over to another head frame: the one similarity that brings a model's points on what is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from data_utils.face_tracking import rotations
from data_utils.face_tracking.initial_shape import similarities
from data_utils.face_tracking.perspective import Poses, cauchy_weight, point_jacobian, project


@dataclass(frozen=True)
class Similarity:
    """From one head frame to another: y = scale * rotation @ x + offset."""

    rotation: Float64[np.ndarray, "3 3"]
    scale: float
    offset: Float64[np.ndarray, "3"]

    @classmethod
    def between(cls, points: Float64[np.ndarray, "P 3"], others: Float64[np.ndarray, "P 3"]) -> Similarity:
        """The one that brings points [P, 3] on others [P, 3] with the least squares."""
        rotation, scale, offset = similarities(points, others[None], np.ones(len(points)))
        return cls(rotation[0], float(scale[0]), offset[0])

    def apply(self, points: Float64[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
        """Points [..., 3] in the other frame."""
        return self.scale * points @ self.rotation.T + self.offset


def poses_in(similarity: Similarity, poses: Poses) -> Poses:
    """The same views for the frame that the similarity starts from, whose unit it takes; the projection is the same."""
    translation = (poses.rotation @ similarity.offset + poses.translation) / similarity.scale
    return Poses(poses.rotation @ similarity.rotation, translation)


def align(
    points: Float64[np.ndarray, "K P 3"],
    pixels: Float64[np.ndarray, "K P 2"],
    noise: Float64[np.ndarray, "P"],
    poses: Poses,
    focal: float,
    centre: tuple[float, float],
    start: Similarity,
    iterations: int = 12,
) -> Similarity:
    """The similarity under which K poses best project points on what is seen: Gauss-Newton with Cauchy's loss.

    Args:
        points: [K, P, 3] in the frame the similarity starts from.
        pixels: [K, P, 2].
        noise: [P] pixels.
        poses: K, of the frame it leads to.
        focal: pixels.
        centre: principal point, pixels.
        start: where to start.
    """
    similarity = start
    for _ in range(iterations):
        turned = similarity.scale * points @ similarity.rotation.T
        camera = poses.transform(turned + similarity.offset)
        residual = pixels - project(camera, focal, centre)
        weight = cauchy_weight((residual**2).sum(-1) / noise**2) / noise**2
        by_point = point_jacobian(camera, focal) @ poses.rotation[:, None]
        moves = np.concatenate(
            [-rotations.cross_matrix(turned), np.broadcast_to(np.eye(3), (*turned.shape[:2], 3, 3)), turned[..., None]],
            -1,
        )  # of a turned point, by rotation, offset and the scale's logarithm
        jacobian = (by_point @ moves).reshape(-1, 7)
        weighted = jacobian * np.repeat(weight.ravel(), 2)[:, None]
        step = np.linalg.solve(weighted.T @ jacobian + 1e-9 * np.eye(7), weighted.T @ residual.ravel())
        similarity = Similarity(
            rotations.exp(step[:3]) @ similarity.rotation,
            similarity.scale * float(np.exp(np.clip(step[6], -0.2, 0.2))),
            similarity.offset + step[3:6],
        )
        if np.abs(step).max() < 1e-7:
            break
    return similarity
