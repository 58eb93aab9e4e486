"""Fit a morphable model to the landmarks of a clip: focal length and identity, then each frame's pose and expression.

The first step is bundle adjustment (see :mod:`bundle_adjustment`) in which identity, landmark offsets and focal length
are what the key frames share; the frames' own unknowns are eliminated (Schur complement). The second knows what is
shared and solves the frames as one chain: a Gauss-Newton smoother (Bell, "The iterated Kalman smoother as a
Gauss-Newton method", 1994) over random walks of pose and expression. Coefficients are normally distributed a priori.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int

from data_utils.face_tracking.bundle_adjustment import measured_noise
from data_utils.face_tracking.jaw_contour import JAW
from data_utils.face_tracking.landmark_basis import Detections, LandmarkBasis
from data_utils.face_tracking.motion import Motion, link_precision, solve_chain
from data_utils.face_tracking.perspective import (
    CAUCHY_WIDTH,
    Poses,
    cauchy_weight,
    point_jacobian,
    pose_jacobian,
    project,
)

TOGETHER = 30.0  # frames that count as one where something is shared by all: a detector's errors go together
_CHUNK = 256  # frames that are solved as one chain


@dataclass(frozen=True)
class Shared:
    """What all frames of a clip have in common."""

    lasting: Float64[np.ndarray, "L"]  # coefficients of :class:`LandmarkBasis`
    focal: float  # pixels


@dataclass(frozen=True)
class FocalPrior:
    """What is believed of the focal length: log-normal."""

    focal: float  # pixels
    spread: float  # of its logarithm; 0 holds it


@dataclass(frozen=True)
class _Linearised:
    """Residuals of K frames, divided by their noise, and their derivatives."""

    residual: Float64[np.ndarray, "K 136"]
    by_motion: Float64[np.ndarray, "K 136 M"]  # M = 6 + E
    by_point: Float64[np.ndarray, "K 68 2 3"]  # d pixel / d head-frame point
    by_log_focal: Float64[np.ndarray, "K 136"]
    root: Float64[np.ndarray, "K 68"]


class LandmarkFit:
    """One clip's landmarks before one model."""

    def __init__(
        self,
        basis: LandmarkBasis,
        seen: Detections,
        believed: Float64[np.ndarray, "68"],
        centre: tuple[float, float],
        noise: Float64[np.ndarray, "68"] | None = None,
    ) -> None:
        """``believed`` and ``noise`` are [68] pixels, before and after measuring; ``centre`` is the principal point."""
        self.basis, self.seen, self.believed, self.centre = basis, seen, believed, centre
        self.noise = believed if noise is None else noise

    def adjust(
        self,
        frames: Int[np.ndarray, "K"],
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

    def of(self, rows: slice) -> LandmarkFit:
        """The same before some frames of the clip only."""
        seen = replace(self.seen, pixels=self.seen.pixels[rows], found=self.seen.found[rows])
        return LandmarkFit(self.basis, seen, self.believed, self.centre, self.noise)

    def follow(self, shared: Shared, start: Motion, *, sweeps: int = 5, hold_poses: bool = False) -> Motion:
        """Every frame's motion, the shared being known; where no face was found, what the neighbours make likely."""
        motion = start
        for _ in range(sweeps):
            for first in range(0, len(self.seen.pixels), _CHUNK):
                motion = self._smooth(shared, motion, slice(first, first + _CHUNK), hold_poses)
        return motion

    def with_measured_noise(self, frames: Int[np.ndarray, "K"], shared: Shared, motion: Motion) -> LandmarkFit:
        """The same with each landmark's noise as in its residuals in K key frames, at least a quarter of the belief."""
        camera = motion.poses.transform(self.points(shared, motion))
        residual = self.seen.pixels[frames] - project(camera, shared.focal, self.centre)
        noise = measured_noise(residual, np.ones(residual.shape[:2], bool), self.believed / 4)
        return LandmarkFit(self.basis, self.seen, self.believed, self.centre, noise)

    def errors(self, shared: Shared, motion: Motion) -> Float64[np.ndarray, "N"]:
        """RMS distance [N] in pixels of the landmarks beside the jaw from where the model puts them in all N frames."""
        parts = []
        for first in range(0, len(motion.expression), _CHUNK):
            rows = slice(first, first + _CHUNK)
            camera = motion.poses[rows].transform(self.points(shared, motion[rows]))
            apart = self.seen.pixels[rows] - project(camera, shared.focal, self.centre)
            parts.append(np.sqrt((apart[:, JAW:] ** 2).sum(-1).mean(-1)))
        return np.concatenate(parts)

    def points(self, shared: Shared, motion: Motion) -> Float64[np.ndarray, "N 68 3"]:
        """The landmarks of N frames in the head frame [N, 68, 3], with expression."""
        return self._points(shared, motion, self._which(shared, motion))

    def _which(self, shared: Shared, motion: Motion) -> Int[np.ndarray, "N 68"]:
        person = self.basis.person(shared.lasting)
        return self.basis.choose(person, motion.expression, motion.poses, shared.focal, self.centre)

    def _points(self, shared: Shared, motion: Motion, which: Int[np.ndarray, "N 68"]) -> Float64[np.ndarray, "N 68 3"]:
        return self.basis.points(self.basis.person(shared.lasting), motion.expression, which)

    def _cost(
        self,
        pixels: Float64[np.ndarray, "K 68 2"],
        shared: Shared,
        motion: Motion,
        which: Int[np.ndarray, "K 68"],
        prior: FocalPrior,
    ) -> float:
        camera = motion.poses.transform(self._points(shared, motion, which))
        squared = ((pixels - project(camera, shared.focal, self.centre)) ** 2).sum(-1) / self.noise**2
        data = CAUCHY_WIDTH**2 * np.log1p(squared / CAUCHY_WIDTH**2).sum()
        off = (np.log(shared.focal / prior.focal) / prior.spread) ** 2 if prior.spread else 0.0
        return float(data + TOGETHER * ((shared.lasting**2).sum() + off) + (motion.expression**2).sum())

    def _linearise(
        self,
        pixels: Float64[np.ndarray, "K 68 2"],
        shared: Shared,
        motion: Motion,
        which: Int[np.ndarray, "K 68"],
        seen: Bool[np.ndarray, "K"] | float = 1.0,
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
        pixels: Float64[np.ndarray, "K 68 2"],
        shared: Shared,
        motion: Motion,
        which: Int[np.ndarray, "K 68"],
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
        step: np.ndarray = solved[..., -1] - solved[..., :-1] @ move
        moved = Shared(shared.lasting + move[:-1], shared.focal * float(np.exp(np.clip(move[-1], -0.3, 0.3))))
        return moved, motion.moved(step, hold_poses)

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
        link = link_precision(part.expression.shape[1])[-size:]
        change = motion.changes(rows)[:, -size:] * link
        before, after = change[:-1], change[1:]  # the first frame has no change before it, the last none after it
        start, stop = rows.start, rows.start + len(part.expression)
        links = np.full(len(block), 2.0)
        links[0] -= start == 0
        links[-1] -= stop == len(motion.expression)
        block[:, range(size), range(size)] += links[:, None] * link
        side += after - before
        step = solve_chain(block, side, link)
        poses, coefficients = motion.poses, motion.expression.copy()
        moved = part.moved(step, hold_poses)
        rotation, translation = poses.rotation.copy(), poses.translation.copy()
        rotation[rows], translation[rows], coefficients[rows] = (
            moved.poses.rotation,
            moved.poses.translation,
            moved.expression,
        )
        return Motion(Poses(rotation, translation), coefficients)
