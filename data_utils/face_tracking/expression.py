"""The face's vertices frame by frame in the head frame: landmarks brought back to where they lie in space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from data_utils.face_tracking import face_topology
from data_utils.face_tracking.initial_shape import similarities, upright
from data_utils.face_tracking.perspective import Poses
from data_utils.face_tracking.smoothing import ema_both_ways, measured_noise, shots, smooth
from data_utils.lost_frames import frames_to_fit, interpolate_lost
from data_utils.parallel import blocks

_COLUMNS = 48  # coordinates of the vertices that are smoothed at once, to bound memory
_DEEPEST = 0.3  # decimetres that an expression may push a landmark forward or back


def head_frame_vertices(
    landmarks: Float[np.ndarray, "N 478 3"],
    found: Bool[np.ndarray, "N"],
    poses: Poses,
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
    cuts: Sequence[int] = (),
    fit_frames: int | None = None,
) -> Float32[np.ndarray, "N 478 3"]:
    """Landmarks as vertices [N, 478, 3] of the head frame, decimetres.

    Sideways they lie where the landmarks are seen. Their depth is the shape's, changed as FaceMesh's relative depth
    deviates from its own median. Time noise is smoothed; lost frames are interpolated.

    Args:
        landmarks: [N, 478, 3] FaceMesh, pixels.
        found: [N] where a face is seen.
        poses: N.
        shape: [478, 3] decimetres, head frame.
        focal: pixels.
        centre: principal point, pixels.
        cuts: frames at which a new shot begins; nothing is smoothed across them.
        fit_frames: the median depth and the noise are those of the first so many frames; of all unless given.
    """
    usable = frames_to_fit(found, fit_frames)
    change = _depth_change(landmarks, usable, shape, cuts)
    vertices = np.empty(landmarks.shape, np.float32)
    for rows in blocks(len(landmarks)):
        depth = poses[rows].transform(shape)[..., 2] + change[rows]
        x = (landmarks[rows, :, 0] - centre[0]) * -depth / focal
        y = (centre[1] - landmarks[rows, :, 1]) * -depth / focal
        vertices[rows] = (np.stack([x, y, depth], -1) - poses.translation[rows, None]) @ poses.rotation[rows]
    flat = vertices.reshape(len(landmarks), -1)
    for columns in blocks(flat.shape[1], _COLUMNS):
        curves = interpolate_lost(flat[:, columns].astype(np.float64), found, fit_frames)
        flat[:, columns] = smooth(curves, measured_noise(curves, usable), cuts)
    return vertices


def _depth_change(
    landmarks: Float[np.ndarray, "N 478 3"],
    usable: Bool[np.ndarray, "N"],
    shape: Float64[np.ndarray, "478 3"],
    cuts: Sequence[int],
) -> Float32[np.ndarray, "N 478"]:
    """How much nearer the camera (decimetres, [N, 478]) each landmark is than usual, by FaceMesh's relative depth.

    What is usual is the median of the ``usable`` [N] frames.
    """
    weights = 1.0 / face_topology.landmark_noise(shape) ** 2
    depth = np.empty(landmarks.shape[:2], np.float32)
    for rows in blocks(len(landmarks)):
        clouds = upright(landmarks[rows])
        rotation, scale, offset = similarities(shape, clouds, weights)
        depth[rows] = ((clouds - offset[:, None]) @ rotation)[..., 2] / scale[:, None]
    for columns in blocks(depth.shape[1], _COLUMNS):
        change = depth[:, columns].astype(np.float64)
        change -= np.median(change[usable], axis=0)
        change = np.concatenate([ema_both_ways(change[rows]) for rows in shots(len(change), cuts)])
        depth[:, columns] = np.clip(change, -_DEEPEST, _DEEPEST)
    return depth
