"""Poses of every frame from the whole head's texture: photometric bundle adjustment, then alignment of each frame.

Landmarks and skin features see the face alone, and their poses are off by half a pixel at hair and ears. Here points
all over the rigid head are adjusted with the poses of key frames by the pictures' values themselves (Delaunoy and
Pollefeys, "Photometric Bundle Adjustment for Dense Multi-View 3D Modeling", 2014; Engel, Koltun, Cremers, "Direct
Sparse Odometry", 2016): each point has a depth along the ray of the frame that it was chosen in and a texture value,
each key frame a pose and a gain; the points are eliminated (Schur complement). Then every frame is aligned with the
textured points. Pictures are band-passed, so that shading, which does not turn with the head, has little say.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from data_utils.face_tracking.bundle_adjustment import choose_key_frames
from data_utils.face_tracking.direct_alignment import align, look_up
from data_utils.face_tracking.feature_tracks import choose_references
from data_utils.face_tracking.head_points import HeadMask, HeadPoints, head_points
from data_utils.face_tracking.perspective import CAUCHY_WIDTH, Poses, cauchy_weight, project
from data_utils.lost_frames import frames_to_fit
from data_utils.parallel import in_threads
from media.images import read_grey

KEY_FRAMES = 80
ITERATIONS = 16
MIN_POINTS = 100  # that stand out from their surroundings, below which a head has no texture
MIN_CORRELATION = 0.5  # between a frame and the texture, below which the frame keeps the pose that it came with
_REFERENCES = 3
_REFERENCES_APART = 0.45  # rad: a point is looked at within 0.64 of its reference
_FINE = 1 / 340  # of the image side, the finest detail that is looked at,
_FINEST = 1.2  # pixels, and at least this
_BAND = 4.0  # times as coarse is the coarsest
_MARGIN = 1 / 40  # of the image side around the head in a cut
_NOISE = 1.0  # grey levels that are always allowed for
_SEEN_SHARE = 0.3  # of the key frames near a point's reference that must show it
_GAIN_SPREAD = 0.1


@dataclass(frozen=True)
class PhotometricFit:
    """What the adjustment finds."""

    poses: Poses  # N
    correlation: Float64[np.ndarray, "N"]  # of each frame with the texture, 0..1; 0 where the frame kept its pose


@dataclass(frozen=True)
class _View:
    """A frame cut to the head, band-passed."""

    image: Float32[np.ndarray, "h w"]
    corner: Float64[np.ndarray, "2"]  # pixels


@dataclass(frozen=True)
class _State:
    poses: Poses  # K
    gain: Float64[np.ndarray, "K"]
    depth: Float64[np.ndarray, "P"]  # decimetres along the rays, from the first places
    texture: Float64[np.ndarray, "P"]


def adjust_photometrically(
    frames: Sequence[Path],
    start: Poses,
    usable: Bool[np.ndarray, "N"],
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
    head_mask: HeadMask | None = None,
    fit_frames: int | None = None,
) -> PhotometricFit | None:
    """Poses of N frames under which the whole head looks alike in all of them.

    Args:
        frames: N image files.
        start: N poses, good to a pixel or two.
        usable: [N] frames where a face is seen; the others keep their poses.
        shape: [478, 3] landmarks, decimetres, head frame.
        focal: pixels.
        centre: principal point, pixels.
        head_mask: gives the pixels of a frame that show the head; without it the face alone is used.
        fit_frames: points and texture are those of the first so many frames, with which the others are then aligned;
            those of all unless given.

    Returns:
        the fit; None where too little of the head has texture.

    Raises:
        EGSTalkerError: an image is unreadable.
    """
    candidates = frames_to_fit(usable, fit_frames)
    points = _choose_points(frames, start, candidates, shape, focal, centre, head_mask)
    key = choose_key_frames(start.rotation, candidates, KEY_FRAMES)
    views = in_threads(lambda i: _view(frames[i], start[i : i + 1], points, focal, centre), key.tolist())
    problem = _Problem(views, points, focal, centre)
    solved = problem.solve(start[key])
    if solved is None:
        return None
    state, precision = solved
    places = problem.places(state)

    def of_frame(i: int) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"], float]:
        rotation, translation = start.rotation[i].copy(), start.translation[i].copy()
        view = _view(frames[i], start[i : i + 1], points, focal, centre)
        correlation = align(
            view.image, view.corner, places, points.rays, state.texture, precision, rotation, translation,
            focal, np.array(centre), 10,
        )  # fmt: skip
        finite = np.isfinite(rotation).all() and np.isfinite(translation).all()
        if not correlation >= MIN_CORRELATION or not finite:
            return start.rotation[i], start.translation[i], 0.0
        return rotation, translation, correlation

    rotation, translation = start.rotation.copy(), start.translation.copy()
    correlation = np.zeros(len(frames))
    wanted = np.flatnonzero(usable)
    for i, fitted in zip(wanted, in_threads(of_frame, wanted.tolist()), strict=True):
        rotation[i], translation[i], correlation[i] = fitted
    return PhotometricFit(Poses(rotation, translation), correlation)


def _choose_points(
    frames: Sequence[Path],
    poses: Poses,
    usable: Bool[np.ndarray, "N"],
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
    head_mask: HeadMask | None,
) -> HeadPoints:
    parts = []
    for i in choose_references(poses.rotation, usable, _REFERENCES_APART, _REFERENCES):
        mask = head_mask(i) if head_mask else None
        parts.append(head_points(read_grey(frames[i]), mask, poses[i : i + 1], shape, focal, centre))
    return HeadPoints(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("places", "rays", "spread"))
    )


def _view(path: Path, pose: Poses, points: HeadPoints, focal: float, centre: tuple[float, float]) -> _View:
    grey = read_grey(path)
    side = max(grey.shape)
    pixels = project(pose.transform(points.places[::7]), focal, centre)[0]
    low = np.clip(np.floor(pixels.min(axis=0) - _MARGIN * side), 0, None).astype(int)
    high = np.ceil(pixels.max(axis=0) + _MARGIN * side).astype(int)
    cut = grey[low[1] : max(high[1], low[1] + 4), low[0] : max(high[0], low[0] + 4)].astype(np.float32)
    if min(cut.shape) < 4:
        return _View(np.zeros((4, 4), np.float32), low.astype(np.float64))
    fine = max(_FINEST, _FINE * side)
    image = cv2.GaussianBlur(cut, (0, 0), fine) - cv2.GaussianBlur(cut, (0, 0), _BAND * fine)
    return _View(image, low.astype(np.float64))


class _Problem:
    """Poses and gains of K key frames, depths and texture of P points: Levenberg-Marquardt with Cauchy's loss."""

    def __init__(self, views: Sequence[_View], points: HeadPoints, focal: float, centre: tuple[float, float]) -> None:
        self.views, self.points, self.focal, self.centre = views, points, focal, np.array(centre)

    def places(self, state: _State) -> Float64[np.ndarray, "P 3"]:
        return self.points.places + state.depth[:, None] * self.points.rays

    def solve(self, poses: Poses) -> tuple[_State, Float64[np.ndarray, "P"]] | None:
        """The state, and one over each point's variance [P] (0: unusable); None where too few points stand out."""
        count, many = len(self.views), len(self.points.places)
        state = _State(poses, np.ones(count), np.zeros(many), np.zeros(many))
        values, slopes = self._look(state)
        state = replace(state, texture=np.nan_to_num(_median(values)).astype(np.float64))
        precision = self._precision(values, state)
        state = replace(state, texture=np.where(precision > 0, state.texture, 0.0))
        if (np.abs(state.texture) > _NOISE).sum() < MIN_POINTS:
            return None
        damping, cost = 1e-3, self._cost(values, state, precision)
        for iteration in range(ITERATIONS):
            if iteration in (2, 5, 9):
                precision = self._precision(values, state)
                cost = self._cost(values, state, precision)
            for _ in range(5):
                trial = self._step(values, slopes, state, precision, damping)
                seen, changes = self._look(trial)
                trial_cost = self._cost(seen, trial, precision)
                if trial_cost < cost:
                    break
                damping *= 10
            else:
                break
            settled = cost - trial_cost < 1e-4 * cost and iteration > 9
            state, values, slopes, cost = trial, seen, changes, trial_cost
            damping = max(damping / 5, 1e-6)
            if settled:
                break
        return state, self._precision(values, state)

    def _look(self, state: _State) -> tuple[Float32[np.ndarray, "K P"], Float32[np.ndarray, "K P 7"]]:
        """What the key frames show: values [K, P], nan where unseen, and their derivatives [K, P, 7]."""
        places = self.places(state)
        values = np.empty((len(self.views), len(places)), np.float32)
        slopes = np.empty((*values.shape, 7), np.float32)

        def of_view(k: int) -> None:
            view, poses = self.views[k], state.poses
            look_up(
                view.image, view.corner, places, self.points.rays, poses.rotation[k], poses.translation[k],
                self.focal, self.centre, values[k], slopes[k],
            )  # fmt: skip

        in_threads(of_view, range(len(self.views)))
        return values, slopes

    def _precision(self, values: Float32[np.ndarray, "K P"], state: _State) -> Float64[np.ndarray, "P"]:
        """One over each point's variance about its texture, 0 where it is seldom seen."""
        residual = values - state.gain[:, None] * state.texture
        spread = 1.4826 * _median(np.abs(residual))
        often = np.isfinite(values).mean(axis=0) > _SEEN_SHARE / _REFERENCES
        return np.where(often & np.isfinite(spread), 1 / (np.nan_to_num(spread) ** 2 + _NOISE**2), 0.0)

    def _cost(self, values: Float32[np.ndarray, "K P"], state: _State, precision: Float64[np.ndarray, "P"]) -> float:
        squared = np.nan_to_num(values - state.gain[:, None] * state.texture) ** 2 * precision
        data = CAUCHY_WIDTH**2 * np.log1p(squared / CAUCHY_WIDTH**2).sum()
        depth = (state.depth**2 / self.points.spread**2).sum()
        return float(data + depth + ((state.gain - 1) ** 2).sum() / _GAIN_SPREAD**2)

    def _step(
        self,
        values: Float32[np.ndarray, "K P"],
        slopes: Float32[np.ndarray, "K P 7"],
        state: _State,
        precision: Float64[np.ndarray, "P"],
        damping: float,
    ) -> _State:
        count, many = values.shape
        seen = np.isfinite(values)
        residual = np.where(seen, values - state.gain[:, None] * state.texture, 0.0)
        weight = np.where(seen, precision * cauchy_weight(residual**2 * precision), 0.0)
        slopes = np.where(seen[..., None], slopes, 0.0)
        texture = np.broadcast_to(-state.texture, values.shape)[..., None]
        gain = np.broadcast_to(-state.gain[:, None], values.shape)[..., None]
        by_camera = np.concatenate([slopes[..., :6], texture], axis=-1)
        by_point = np.concatenate([slopes[..., 6:], gain], axis=-1)
        weighted = by_camera * weight[..., None]
        damped = 1 + damping

        camera = np.swapaxes(weighted, 1, 2) @ by_camera  # [K, 7, 7]
        camera[:, 6, 6] += 1 / _GAIN_SPREAD**2
        camera[:, range(7), range(7)] = camera[:, range(7), range(7)] * damped + 1e-9
        camera_side = -(np.swapaxes(weighted, 1, 2) @ residual[..., None])[..., 0]
        camera_side[:, 6] -= (state.gain - 1) / _GAIN_SPREAD**2

        held = 1 / self.points.spread**2
        block = np.einsum("kpa,kpb,kp->pab", by_point, by_point, weight, optimize=True)
        block[:, 0, 0] += held
        block[:, 1, 1] += 1e-3
        block[:, range(2), range(2)] *= damped
        side = -np.einsum("kpa,kp->pa", by_point, weight * residual)
        side[:, 0] -= held * state.depth
        cross = np.empty((many, 2, 7 * count))
        for a in range(2):
            product = by_point[..., a, None] * weighted
            cross[:, a] = product.transpose(1, 0, 2).reshape(many, -1)

        half = np.linalg.inv(np.linalg.cholesky(block))
        white = (half @ cross).reshape(-1, 7 * count)
        white_side = (half @ side[..., None]).ravel()
        system = -white.T @ white
        rows = np.arange(7 * count).reshape(count, 7)
        system[rows[:, :, None], rows[:, None, :]] += camera
        move = np.linalg.solve(system, camera_side.ravel() - white.T @ white_side)
        of_points = np.linalg.solve(block, (side - cross @ move)[..., None])[..., 0]
        move = move.reshape(count, 7)
        return _State(
            state.poses.moved(move[:, :6]),
            state.gain + move[:, 6],
            state.depth + of_points[:, 0],
            state.texture + of_points[:, 1],
        )


def _median(values: Float[np.ndarray, "K P"]) -> Float[np.ndarray, "P"]:
    """Over the first axis, of what is not nan."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a point that no frame shows has none
        return np.nanmedian(values, axis=0)
