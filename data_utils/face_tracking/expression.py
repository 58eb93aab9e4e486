"""The face's vertices frame by frame in the head frame: landmarks brought back to where they lie in space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_utils.face_tracking import face_topology
from data_utils.face_tracking.initial_shape import similarities, upright
from data_utils.face_tracking.perspective import Poses
from data_utils.face_tracking.smoothing import ema_both_ways, measured_noise, smooth
from data_utils.lost_frames import interpolate_lost

Array = NDArray[np.float64]
_DEEPEST = 0.3  # decimetres that an expression may push a landmark forward or back


def head_frame_vertices(
    landmarks: Array,
    found: NDArray[np.bool_],
    poses: Poses,
    shape: Array,
    focal: float,
    centre: tuple[float, float],
    cuts: Sequence[int] = (),
) -> Array:
    """Landmarks [N, 478, 3] (FaceMesh, pixels) as vertices [N, 478, 3] of the head frame, decimetres.

    Sideways they lie where the landmarks are seen. Their depth is the shape's, changed as FaceMesh's relative depth
    deviates from its own median over the clip. Time noise is smoothed, but not across ``cuts`` between shots;
    lost frames are interpolated.
    """
    depth = poses.transform(shape)[..., 2] + _depth_change(landmarks, found, shape)
    x = (landmarks[..., 0] - centre[0]) * -depth / focal
    y = (centre[1] - landmarks[..., 1]) * -depth / focal
    vertices = (np.stack([x, y, depth], axis=-1) - poses.translation[:, None]) @ poses.rotation
    flat = interpolate_lost(vertices.reshape(len(landmarks), -1), found)
    return smooth(flat, measured_noise(flat), cuts).reshape(vertices.shape)


def _depth_change(landmarks: Array, found: NDArray[np.bool_], shape: Array) -> Array:
    """How much nearer the camera (decimetres, [N, 478]) each landmark is than usual, by FaceMesh's relative depth."""
    clouds = upright(landmarks)
    weights = 1.0 / face_topology.landmark_noise(shape) ** 2
    rotation, scale, offset = similarities(shape, clouds, weights)
    depth = ((clouds - offset[:, None]) @ rotation)[..., 2] / scale[:, None]
    change = ema_both_ways(depth - np.median(depth[found], axis=0))
    return np.clip(change, -_DEEPEST, _DEEPEST)
