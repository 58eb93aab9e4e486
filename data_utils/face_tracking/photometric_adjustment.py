"""A head's points and what they look like: photometric bundle adjustment of key frames.

Landmarks and skin features see the face alone, and their poses are off by half a pixel at hair and ears. Here points
all over the rigid head are adjusted with the poses of key frames by the pictures' values themselves (Delaunoy and
Pollefeys, "Photometric Bundle Adjustment for Dense Multi-View 3D Modeling", 2014; Engel, Koltun, Cremers, "Direct
Sparse Odometry", 2016): each point has a depth along the ray of the frame that it was chosen in and a texture value,
each key frame a pose and a gain; the points are eliminated (Schur complement).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from data_utils.face_tracking.bundle_adjustment import choose_key_frames
from data_utils.face_tracking.direct_alignment import look_up
from data_utils.face_tracking.feature_tracks import choose_references
from data_utils.face_tracking.head_points import HeadMask, HeadPoints, head_points
from data_utils.face_tracking.head_view import LEVELS, HeadView, head_views
from data_utils.face_tracking.perspective import CAUCHY_WIDTH, Poses, cauchy_weight
from data_utils.parallel import in_threads
from media.images import read_grey

KEY_FRAMES = 80
ITERATIONS = 16
MIN_POINTS = 100  # that stand out from their surroundings, below which a head has no texture
REFERENCES = 9  # frames at most that points are chosen in
REFERENCES_APART = 0.3  # rad: a point is looked at within 0.64 of its reference, so that two references share points
_NOISE = 1.0  # grey levels that are always allowed for
_SEEN_SHARE = 0.3  # of the key frames near a point's reference that must show it
_GAIN_SPREAD = 0.1
_START_SPREAD = np.array([0.01, 0.01, 0.01, 0.02, 0.02, 0.08])  # rad and decimetres: how well a pose is known before
INDEPENDENT_WHEN_WIDE = 1 / 1000  # of the observations where a head turns far: slant, shade and gloss err together
_REGION_TURN, _REGION_HEIGHT = 0.6, 0.5  # rad about the head's axis, decimetres: about a hand's breadth


@dataclass(frozen=True)
class TexturedHead:
    """P points of a head and what they look like at each level of a picture's pyramid."""

    points: HeadPoints  # where they were chosen
    places: Float64[np.ndarray, "P 3"]  # decimetres, head frame
    region: Int[np.ndarray, "P"]  # 0..R-1: the part of the head that each lies on
    texture: tuple[Float64[np.ndarray, "P"], ...]  # by level
    precision: tuple[Float64[np.ndarray, "P"], ...]  # by level; one over the variance, 0 where a point says nothing

    @property
    def regions(self) -> int:
        """R."""
        return int(self.region.max()) + 1


def textured_head(
    frames: Sequence[Path],
    start: Poses,
    usable: Bool[np.ndarray, "N"],
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
    head_mask: HeadMask | None = None,
    independent: float = 1.0,
) -> TexturedHead | None:
    """The points, depths and texture under which the whole head looks alike in the key frames.

    Args:
        frames: N image files.
        start: N poses, good to a pixel or two in most of the usable frames.
        usable: [N] frames to learn from, those where a face is seen.
        shape: [478, 3] landmarks, decimetres, head frame.
        focal: pixels.
        centre: principal point, pixels.
        head_mask: gives the pixels of a frame that show the head; without it the face alone is used.
        independent: share of the observations whose errors are independent, 0 to 1: the less, the more the poses that
            are given hold. Views that share few points tell next to nothing of the angle between them.

    Returns:
        the head; None where too little of it has texture.

    Raises:
        EGSTalkerError: an image is unreadable.
    """
    references = choose_references(start.rotation, usable, REFERENCES_APART, REFERENCES)
    points = _choose_points(frames, start, references, shape, focal, centre, head_mask)
    key = choose_key_frames(start.rotation, usable, KEY_FRAMES)
    views = in_threads(
        lambda i: head_views(read_grey(frames[i]), start[i : i + 1], points, focal, centre), key.tolist()
    )
    problem = _Problem([view[0] for view in views], points, focal, centre, _SEEN_SHARE / len(references), independent)
    solved = problem.solve(start[key])
    if solved is None:
        return None
    state, precision = solved
    texture, precisions = [state.texture], [precision]
    for level in range(1, LEVELS):
        coarse = _Problem([view[level] for view in views], points, focal, centre, problem.often, independent)
        values, _ = coarse.look(state)
        texture.append(np.nan_to_num(_median(values)).astype(np.float64))
        precisions.append(coarse.precision(values, replace(state, texture=texture[-1])))
    places = problem.places(state)
    return TexturedHead(points, places, _regions(places), tuple(texture), tuple(precisions))


def _regions(places: Float64[np.ndarray, "P 3"]) -> Int[np.ndarray, "P"]:
    """The part of the head, 0..R-1, that each place lies on: cells around its upright axis and along it."""
    around = np.floor(np.arctan2(places[:, 0], places[:, 2]) / _REGION_TURN + 0.5)
    upwards = np.floor(places[:, 1] / _REGION_HEIGHT)
    return np.unique(np.stack([around, upwards], -1), axis=0, return_inverse=True)[1].reshape(-1)


def _choose_points(
    frames: Sequence[Path],
    poses: Poses,
    references: Sequence[int],
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
    head_mask: HeadMask | None,
) -> HeadPoints:
    parts = []
    for i in references:
        mask = head_mask(i) if head_mask else None
        parts.append(head_points(read_grey(frames[i]), mask, poses[i : i + 1], shape, focal, centre))
    return HeadPoints(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("places", "rays", "spread"))
    )


@dataclass(frozen=True)
class _State:
    poses: Poses  # K
    off: Float64[np.ndarray, "K 6"]  # how far these are from where they came, as :meth:`Poses.moved` counts
    gain: Float64[np.ndarray, "K"]
    depth: Float64[np.ndarray, "P"]  # decimetres along the rays, from the first places
    texture: Float64[np.ndarray, "P"]


class _Problem:
    """Poses and gains of K key frames, depths and texture of P points: Levenberg-Marquardt with Cauchy's loss."""

    def __init__(
        self,
        views: Sequence[HeadView],
        points: HeadPoints,
        focal: float,
        centre: tuple[float, float],
        often: float,
        independent: float,
    ) -> None:
        """``often`` is the share of the key frames that must show a point."""
        self.views, self.points, self.often = views, points, often
        self.start_precision = 1 / (_START_SPREAD**2 * independent)  # precision of the first poses
        self.focal, self.centre = views[0].camera(focal, centre)

    def places(self, state: _State) -> Float64[np.ndarray, "P 3"]:
        return self.points.places + state.depth[:, None] * self.points.rays

    def solve(self, poses: Poses) -> tuple[_State, Float64[np.ndarray, "P"]] | None:
        """The state, and one over each point's variance [P] (0: unusable); None where too few points stand out."""
        count, many = len(self.views), len(self.points.places)
        state = _State(poses, np.zeros((count, 6)), np.ones(count), np.zeros(many), np.zeros(many))
        values, slopes = self.look(state)
        state = replace(state, texture=np.nan_to_num(_median(values)).astype(np.float64))
        precision = self.precision(values, state)
        state = replace(state, texture=np.where(precision > 0, state.texture, 0.0))
        if (np.abs(state.texture) > _NOISE).sum() < MIN_POINTS:
            return None
        damping, cost = 1e-3, self._cost(values, state, precision)
        for iteration in range(ITERATIONS):
            if iteration in (2, 5, 9):
                precision = self.precision(values, state)
                cost = self._cost(values, state, precision)
            for _ in range(5):
                trial = self._step(values, slopes, state, precision, damping)
                seen, changes = self.look(trial)
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
        return state, self.precision(values, state)

    def look(self, state: _State) -> tuple[Float32[np.ndarray, "K P"], Float32[np.ndarray, "K P 7"]]:
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

    def precision(self, values: Float32[np.ndarray, "K P"], state: _State) -> Float64[np.ndarray, "P"]:
        """One over each point's variance about its texture, 0 where it is seldom seen."""
        residual = values - state.gain[:, None] * state.texture
        spread = 1.4826 * _median(np.abs(residual))
        often = np.isfinite(values).mean(axis=0) > self.often
        return np.where(often & np.isfinite(spread), 1 / (np.nan_to_num(spread) ** 2 + _NOISE**2), 0.0)

    def _cost(self, values: Float32[np.ndarray, "K P"], state: _State, precision: Float64[np.ndarray, "P"]) -> float:
        squared = np.nan_to_num(values - state.gain[:, None] * state.texture) ** 2 * precision
        data = CAUCHY_WIDTH**2 * np.log1p(squared / CAUCHY_WIDTH**2).sum()
        depth = (state.depth**2 / self.points.spread**2).sum()
        moved = (state.off**2 * self.start_precision).sum()
        return float(data + depth + moved + ((state.gain - 1) ** 2).sum() / _GAIN_SPREAD**2)

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
        camera[:, range(6), range(6)] += self.start_precision
        camera[:, range(7), range(7)] = camera[:, range(7), range(7)] * damped + 1e-9
        camera_side = -(np.swapaxes(weighted, 1, 2) @ residual[..., None])[..., 0]
        camera_side[:, :6] -= state.off * self.start_precision
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
            state.off + move[:, :6],
            state.gain + move[:, 6],
            state.depth + of_points[:, 0],
            state.texture + of_points[:, 1],
        )


def _median(values: Float[np.ndarray, "K P"]) -> Float[np.ndarray, "P"]:
    """Over the first axis, of what is not nan."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a point that no frame shows has none
        return np.nanmedian(values, axis=0)
