"""Fit a morphable model to the landmarks of a clip: focal length and identity, then each frame's pose and expression.

The first step is bundle adjustment (see :mod:`bundle_adjustment`) in which identity, landmark offsets and focal length
are what the key frames share; the frames' own unknowns are eliminated (Schur complement). The second knows what is
shared and solves the frames as one chain: a Gauss-Newton smoother (Bell, "The iterated Kalman smoother as a
Gauss-Newton method", 1994) over random walks of pose and expression. Coefficients are normally distributed a priori.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data_utils.face_tracking import rotations
from data_utils.face_tracking.bundle_adjustment import measured_noise
from data_utils.face_tracking.jaw_contour import JAW
from data_utils.face_tracking.landmark_basis import Detections, LandmarkBasis
from data_utils.face_tracking.perspective import (
    CAUCHY_WIDTH,
    Poses,
    cauchy_weight,
    point_jacobian,
    pose_jacobian,
    project,
)

Array = NDArray[np.float64]
TOGETHER = 30.0  # frames that count as one where something is shared by all: a detector's errors go together
_ROTATION_STEP, _SHIFT_STEP, _EXPRESSION_STEP = 0.03, 0.05, 0.6  # what changes from frame to frame: rad, dm, deviations
_CHUNK = 256  # frames that are solved as one chain
_LIMIT = 0.2  # rad or decimetres: the largest step of a pose


@dataclass(frozen=True)
class Shared:
    """What all frames of a clip have in common."""

    lasting: Array  # [I + 3 O] coefficients of :class:`LandmarkBasis`
    focal: float  # pixels


@dataclass(frozen=True)
class Motion:
    """What changes from frame to frame."""

    poses: Poses  # N
    expression: Array  # [N, E]

    def __getitem__(self, index: NDArray | slice) -> Motion:
        return Motion(self.poses[index], self.expression[index])


@dataclass(frozen=True)
class FocalPrior:
    """What is believed of the focal length: log-normal."""

    focal: float  # pixels
    spread: float  # of its logarithm; 0 holds it


@dataclass(frozen=True)
class _Linearised:
    """Residuals of K frames, divided by their noise, and their derivatives."""

    residual: Array  # [K, 136]
    by_motion: Array  # [K, 136, 6 + E]
    by_point: Array  # [K, 68, 2, 3] d pixel / d head-frame point
    by_log_focal: Array  # [K, 136]
    root: Array  # [K, 68]


class LandmarkFit:
    """One clip's landmarks before one model."""

    def __init__(
        self,
        basis: LandmarkBasis,
        seen: Detections,
        believed: Array,
        centre: tuple[float, float],
        noise: Array | None = None,
    ) -> None:
        """``believed`` and ``noise`` are [68] pixels, before and after measuring; ``centre`` is the principal point."""
        self.basis, self.seen, self.believed, self.centre = basis, seen, believed, centre
        self.noise = believed if noise is None else noise

    def adjust(
        self,
        frames: NDArray[np.int64],
        start: Motion,
        shared: Shared,
        prior: FocalPrior,
        *,
        iterations: int,
        hold_poses: bool = False,
    ) -> tuple[Shared, Motion, float]:
        """Solve for what is shared and for K key frames' motion by Levenberg-Marquardt; also gives the cost.

        Args:
            frames: [K] of the clip.
            start: the K frames' motion.
            hold_poses: leave the poses as they are.
        """
        pixels, motion, damping = self.seen.pixels[frames], start, 1e-3
        for _ in range(iterations):
            which = self._which(shared, motion)
            cost = self._cost(pixels, shared, motion, which, prior)
            for _ in range(6):
                trial = self._step(pixels, shared, motion, which, prior, damping, hold_poses)
                trial_cost = self._cost(pixels, *trial, which, prior)
                if trial_cost < cost:
                    break
                damping *= 8
            else:
                break
            settled = cost - trial_cost < 1e-5 * cost
            (shared, motion), damping = trial, max(damping / 6, 1e-9)
            if settled:
                break
        return shared, motion, self._cost(pixels, shared, motion, self._which(shared, motion), prior)

    def follow(self, shared: Shared, start: Motion, *, sweeps: int = 5, hold_poses: bool = False) -> Motion:
        """Every frame's motion, the shared being known; where no face was found, what the neighbours make likely."""
        motion = start
        for _ in range(sweeps):
            for first in range(0, len(self.seen.pixels), _CHUNK):
                motion = self._smooth(shared, motion, slice(first, first + _CHUNK), hold_poses)
        return motion

    def with_measured_noise(self, frames: NDArray[np.int64], shared: Shared, motion: Motion) -> LandmarkFit:
        """The same with each landmark's noise as in its residuals in K key frames, at least a quarter of the belief."""
        camera = motion.poses.transform(self.points(shared, motion))
        residual = self.seen.pixels[frames] - project(camera, shared.focal, self.centre)
        noise = measured_noise(residual, np.ones(residual.shape[:2], bool), self.believed / 4)
        return LandmarkFit(self.basis, self.seen, self.believed, self.centre, noise)

    def errors(self, shared: Shared, motion: Motion) -> Array:
        """RMS distance [N] in pixels of the landmarks beside the jaw from where the model puts them in all N frames."""
        parts = []
        for first in range(0, len(motion.expression), _CHUNK):
            rows = slice(first, first + _CHUNK)
            camera = motion.poses[rows].transform(self.points(shared, motion[rows]))
            apart = self.seen.pixels[rows] - project(camera, shared.focal, self.centre)
            parts.append(np.sqrt((apart[:, JAW:] ** 2).sum(-1).mean(-1)))
        return np.concatenate(parts)

    def points(self, shared: Shared, motion: Motion) -> Array:
        """The landmarks of N frames in the head frame [N, 68, 3], with expression."""
        return self._points(shared, motion, self._which(shared, motion))

    def _which(self, shared: Shared, motion: Motion) -> NDArray[np.int64]:
        person = self.basis.person(shared.lasting)
        return self.basis.choose(person, motion.expression, motion.poses, shared.focal, self.centre)

    def _points(self, shared: Shared, motion: Motion, which: NDArray[np.int64]) -> Array:
        return self.basis.points(self.basis.person(shared.lasting), motion.expression, which)

    def _cost(
        self, pixels: Array, shared: Shared, motion: Motion, which: NDArray[np.int64], prior: FocalPrior
    ) -> float:
        camera = motion.poses.transform(self._points(shared, motion, which))
        squared = ((pixels - project(camera, shared.focal, self.centre)) ** 2).sum(-1) / self.noise**2
        data = CAUCHY_WIDTH**2 * np.log1p(squared / CAUCHY_WIDTH**2).sum()
        off = (np.log(shared.focal / prior.focal) / prior.spread) ** 2 if prior.spread else 0.0
        return float(data + TOGETHER * ((shared.lasting**2).sum() + off) + (motion.expression**2).sum())

    def _linearise(
        self, pixels: Array, shared: Shared, motion: Motion, which: NDArray[np.int64], seen: NDArray | float = 1.0
    ) -> _Linearised:
        count, poses = len(pixels), motion.poses
        camera = poses.transform(self._points(shared, motion, which))
        projected = project(camera, shared.focal, self.centre)
        residual = pixels - projected
        weight = cauchy_weight((residual**2).sum(-1) / self.noise**2) / self.noise**2
        root = np.sqrt(weight * np.broadcast_to(seen, (count,))[:, None])
        by_point = point_jacobian(camera, shared.focal) @ poses.rotation[:, None]
        basis = self.basis.expression[:, which].transpose(1, 2, 3, 0)  # [K, 68, 3, E]
        by_motion = np.concatenate([pose_jacobian(camera, poses.translation, shared.focal), by_point @ basis], axis=-1)
        return _Linearised(
            (residual * root[..., None]).reshape(count, -1),
            (by_motion * root[..., None, None]).reshape(count, -1, by_motion.shape[-1]),
            by_point,
            ((projected - np.array(self.centre)) * root[..., None]).reshape(count, -1),
            root,
        )

    def _step(
        self,
        pixels: Array,
        shared: Shared,
        motion: Motion,
        which: NDArray[np.int64],
        prior: FocalPrior,
        damping: float,
        hold_poses: bool,
    ) -> tuple[Shared, Motion]:
        at = self._linearise(pixels, shared, motion, which)
        own = at.by_motion[..., 6:] if hold_poses else at.by_motion
        first = 0 if hold_poses else 6
        by_lasting = at.by_point @ self.basis.lasting[:, which].transpose(1, 2, 3, 0) * at.root[..., None, None]
        common = np.concatenate([by_lasting.reshape(len(pixels), own.shape[1], -1), at.by_log_focal[..., None]], -1)
        own_t = np.swapaxes(own, 1, 2)
        block = own_t @ own
        size = block.shape[1]
        block[:, range(first, size), range(first, size)] += 1.0
        block[:, range(size), range(size)] *= 1 + damping
        side = (own_t @ at.residual[..., None])[..., 0]
        side[:, first:] -= motion.expression
        cross = own_t @ common
        flat = common.reshape(-1, common.shape[-1])
        off = np.log(shared.focal / prior.focal)
        precision = np.full(len(shared.lasting) + 1, TOGETHER, float)
        precision[-1] = TOGETHER / prior.spread**2 if prior.spread else 1e12
        matrix = flat.T @ flat + np.diag(precision)
        matrix[np.diag_indices_from(matrix)] *= 1 + damping
        right = flat.T @ at.residual.ravel() - precision * np.append(shared.lasting, off)
        solved = np.linalg.solve(block, np.concatenate([cross, side[..., None]], axis=-1))
        reduced = np.tensordot(cross, solved, axes=([0, 1], [0, 1]))
        move = np.linalg.solve(matrix - reduced[:, :-1], right - reduced[:, -1])
        step: Array = solved[..., -1] - solved[..., :-1] @ move
        moved = Shared(shared.lasting + move[:-1], shared.focal * float(np.exp(np.clip(move[-1], -0.3, 0.3))))
        return moved, _moved(motion, step, hold_poses)

    def _smooth(self, shared: Shared, motion: Motion, rows: slice, hold_poses: bool) -> Motion:
        """The motion after one Gauss-Newton step of the frames ``rows``, all others held."""
        part = motion[rows]
        at = self._linearise(self.seen.pixels[rows], shared, part, self._which(shared, part), self.seen.found[rows])
        own = at.by_motion[..., 6:] if hold_poses else at.by_motion
        own_t = np.swapaxes(own, 1, 2)
        block, side = own_t @ own, (own_t @ at.residual[..., None])[..., 0]
        size = block.shape[1]
        expression = range(size - part.expression.shape[1], size)
        block[:, expression, expression] += 1.0
        side[:, expression] -= part.expression
        link = _link_precision(part.expression.shape[1])[-size:]
        change = _changes(motion, rows)[:, -size:] * link
        before, after = change[:-1], change[1:]  # the first frame has no change before it, the last none after it
        start, stop = rows.start, rows.start + len(part.expression)
        links = np.full(len(block), 2.0)
        links[0] -= start == 0
        links[-1] -= stop == len(motion.expression)
        block[:, range(size), range(size)] += links[:, None] * link
        side += after - before
        step = _solve_chain(block, side, link)
        poses, coefficients = motion.poses, motion.expression.copy()
        moved = _moved(part, step, hold_poses)
        rotation, translation = poses.rotation.copy(), poses.translation.copy()
        rotation[rows], translation[rows], coefficients[rows] = (
            moved.poses.rotation,
            moved.poses.translation,
            moved.expression,
        )
        return Motion(Poses(rotation, translation), coefficients)


def orthographic_start(shape: Array, pixels: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Rotation [N, 3, 3], scale [N] (pixels a decimetre) and the head origin's pixel [N, 2], by scaled orthography.

    The affine camera that fits best, then the nearest scaled rotation.

    Args:
        shape: [P, 3] head frame.
        pixels: [N, P, 2].
        weight: [P].
    """
    share = weight / weight.sum()
    upright = pixels * (1.0, -1.0)
    middle, middles = share @ shape, share @ upright
    centred = shape - middle
    moments = centred.T @ (centred * share[:, None])
    affine = np.swapaxes(np.linalg.solve(moments, (centred * share[:, None]).T @ (upright - middles[:, None])), 1, 2)
    u, values, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    scale = values.mean(axis=1)
    origin = middles - scale[:, None] * (rows @ middle)
    return rotation, scale, origin * (1.0, -1.0)


def held(motion: Motion, found: NDArray[np.bool_]) -> Motion:
    """The motion with the frames where no face was ``found`` interpolated."""
    where, known = np.arange(len(found)), np.flatnonzero(found)

    def between(values: Array) -> Array:
        return np.stack([np.interp(where, known, column) for column in values[known].T], axis=-1)

    poses = Poses(rotations.interpolate(motion.poses.rotation, found), between(motion.poses.translation))
    return replace(motion, poses=poses, expression=between(motion.expression))


def _moved(motion: Motion, step: Array, hold_poses: bool) -> Motion:
    if hold_poses:
        return replace(motion, expression=motion.expression + step)
    size = np.abs(step[:, :6]).max(axis=1, keepdims=True)
    pose_step = step[:, :6] * np.minimum(
        1.0, _LIMIT * np.maximum(1.0, -motion.poses.translation[:, 2:] / 4) / np.maximum(size, 1e-12)
    )
    return Motion(motion.poses.moved(pose_step), motion.expression + step[:, 6:])


def _link_precision(expressions: int) -> Array:
    """Precision [6 + E] of the change from one frame to the next."""
    spread = np.repeat([_ROTATION_STEP, _SHIFT_STEP, _EXPRESSION_STEP], [3, 3, expressions])
    return 1 / spread**2


def _changes(motion: Motion, rows: slice) -> Array:
    """Changes [n + 1, 6 + E] into the n frames ``rows`` and out of the last; zero where there is no neighbour."""
    count = len(motion.expression)
    stop = min(rows.stop, count)
    frames = np.arange(rows.start, stop + 1)
    after, before = np.minimum(frames, count - 1), np.maximum(frames - 1, 0)
    poses = motion.poses
    turn = rotations.log(poses.rotation[after] @ np.swapaxes(poses.rotation[before], 1, 2))
    shift = poses.translation[after] - poses.translation[before]
    return np.concatenate([turn, shift, motion.expression[after] - motion.expression[before]], axis=1)


def _solve_chain(block: Array, side: Array, link: Array) -> Array:
    """Solve for n vectors [n, L] that are chained: block_i x_i - link (x_{i-1} + x_{i+1}) = side_i (block Thomas)."""
    count, size = side.shape
    couple = np.diag(link)
    by_next = np.empty((count, size, size))
    alone = np.empty((count, size))
    for i in range(count):
        matrix, right = block[i], side[i]
        if i:
            matrix = matrix - link[:, None] * by_next[i - 1]
            right = right + link * alone[i - 1]
        solved = np.linalg.solve(matrix, np.column_stack([couple, right]))
        by_next[i], alone[i] = solved[:, :-1], solved[:, -1]
    for i in range(count - 2, -1, -1):
        alone[i] += by_next[i] @ alone[i + 1]
    return alone
