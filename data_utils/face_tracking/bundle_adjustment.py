"""Bundle adjustment of one head: shape, focal length and key-frame poses together, from noisy landmarks.

Triggs et al., "Bundle Adjustment - A Modern Synthesis" (2000): Levenberg-Marquardt on the reduced system that is left
when the poses' 6x6 blocks are eliminated (Schur complement), with Cauchy's loss. What a talking head leaves open is
held by priors: the shape stays near FaceMesh's mean one and deviates from it smoothly, the focal length is log-normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from data_utils.face_tracking import rotations
from data_utils.face_tracking.perspective import (
    CAUCHY_WIDTH,
    Poses,
    cauchy_weight,
    point_jacobian,
    pose_jacobian,
    project,
)


@dataclass(frozen=True)
class Priors:
    """What is believed before any landmark is seen."""

    focal: float  # pixels
    focal_spread: float = 0.25  # of the focal length's logarithm
    shape_spread: float = 0.1  # decimetres that a point may lie off its first place
    evidence: float = 1 / 30  # share of the observations' weight that is independent: a mesh's errors go together


@dataclass(frozen=True)
class Adjustment:
    """What bundle adjustment finds."""

    shape: Float64[np.ndarray, "P 3"]  # decimetres, head frame
    focal: float  # pixels
    poses: Poses  # of the K key frames
    noise: Float64[np.ndarray, "P"]  # pixels: each point's standard deviation about a rigid head


@dataclass(frozen=True)
class _State:
    shape: Float64[np.ndarray, "P 3"]
    log_focal: float
    poses: Poses

    @property
    def focal(self) -> float:
        return float(np.exp(self.log_focal))


def choose_key_frames(
    rotation: Float64[np.ndarray, "N 3 3"], usable: Bool[np.ndarray, "N"], count: int
) -> Int[np.ndarray, "K"]:
    """Up to ``count`` of the usable frames: half spread evenly over time, half with poses far from all chosen before.

    Args:
        rotation: [N, 3, 3].
        usable: [N].
    """
    frames = np.flatnonzero(usable)
    if len(frames) <= count:
        return frames
    chosen = set(frames[np.linspace(0, len(frames) - 1, count - count // 2).round().astype(int)].tolist())
    vectors = rotations.log(rotations.mean(rotation[frames]).T @ rotation[frames])
    distance = np.full(len(frames), np.inf)
    for frame in chosen:
        distance = np.minimum(distance, ((vectors - vectors[np.searchsorted(frames, frame)]) ** 2).sum(-1))
    while len(chosen) < count:
        farthest = int(distance.argmax())
        chosen.add(int(frames[farthest]))
        distance = np.minimum(distance, ((vectors - vectors[farthest]) ** 2).sum(-1))
        distance[farthest] = -1.0
    return np.array(sorted(chosen))


def adjust(
    observed: Float[np.ndarray, "K P 2"],
    start: Poses,
    shape: Float64[np.ndarray, "P 3"],
    noise: Float64[np.ndarray, "P"],
    centre: tuple[float, float],
    priors: Priors,
    seen: Bool[np.ndarray, "K P"] | None = None,
    iterations: int = 12,
) -> Adjustment:
    """Solve for shape, focal length and poses.

    Args:
        observed: [K, P, 2] pixels.
        start: K poses.
        shape: [P, 3] decimetres: where each point is believed to be, and the start.
        noise: [P] pixels; infinite keeps a point out of the poses (its place is then the prior's).
        centre: principal point, pixels.
        priors: beliefs; the focal length starts at the prior's.
        seen: [K, P] which observations hold; all by default.

    Returns:
        the adjustment; its ``noise`` is measured from the residuals and never below or above four times the given.
    """
    seen = np.ones(observed.shape[:2], bool) if seen is None else seen
    problem = _Problem(observed, shape, centre, priors)
    state = _State(shape.copy(), float(np.log(priors.focal)), start)
    damping, spread = 1e-4, noise
    cost = problem.cost(state, np.where(seen, spread, np.inf))
    for iteration in range(iterations):
        if iteration in (2, 5):
            spread = measured_noise(problem.residuals(state), seen, noise)
            cost = problem.cost(state, np.where(seen, spread, np.inf))
        per_observation = np.where(seen, spread, np.inf)
        for _ in range(6):
            trial = problem.step(state, per_observation, damping)
            trial_cost = problem.cost(trial, per_observation)
            if trial_cost < cost:
                break
            damping *= 10
        else:
            break
        damping = max(damping / 5, 1e-8)
        settled = cost - trial_cost < 1e-5 * cost and iteration > 5
        state, cost = trial, trial_cost
        if settled:
            break
    return Adjustment(state.shape, state.focal, state.poses, measured_noise(problem.residuals(state), seen, noise))


def fit_shape(
    observed: Float[np.ndarray, "K P 2"],
    poses: Poses,
    shape: Float64[np.ndarray, "P 3"],
    noise: Float64[np.ndarray, "P"] | Float64[np.ndarray, "K P"],
    focal: float,
    centre: tuple[float, float],
    priors: Priors,
    iterations: int = 6,
) -> Float64[np.ndarray, "P 3"]:
    """The points that best project on observations under known poses: [P, 3]; each near its first place ``shape``.

    Args:
        observed: [K, P, 2] pixels.
        poses: K poses.
        shape: [P, 3] decimetres.
        noise: [P] or [K, P] pixels; infinite leaves an observation out.
        focal: pixels.
        centre: principal point, pixels.
        priors: of these, ``shape_spread`` and ``evidence`` are used.
    """
    solved = shape.copy()
    held = 1 / priors.shape_spread**2
    for _ in range(iterations):
        points = poses.transform(solved)
        residual = observed - project(points, focal, centre)
        weight = priors.evidence / noise**2 * cauchy_weight((residual**2).sum(-1) / noise**2)
        by_point = point_jacobian(points, focal) @ poses.rotation[:, None]
        weighted = np.swapaxes(by_point * weight[..., None, None], 2, 3)
        block = (weighted @ by_point).sum(0) + held * np.eye(3)
        side = (weighted @ residual[..., None])[..., 0].sum(0) - held * (solved - shape)
        solved = solved + np.linalg.solve(block, side[..., None])[..., 0]
    return solved


def measured_noise(
    residual: Float64[np.ndarray, "K P 2"], seen: Bool[np.ndarray, "K P"], believed: Float64[np.ndarray, "P"]
) -> Float64[np.ndarray, "P"]:
    """Each point's robust residual spread [P], at least what was believed and at most four times that.

    Args:
        residual: [K, P, 2] pixels.
        seen: [K, P].
        believed: [P] pixels; infinite stays infinite.
    """
    size = np.where(seen[..., None], np.abs(residual), np.nan).transpose(1, 0, 2).reshape(len(believed), -1)
    spread = np.full(len(believed), np.inf)
    some = seen.any(axis=0)
    spread[some] = 1.4826 * np.nanmedian(size[some], axis=1)
    return np.where(np.isfinite(believed), np.clip(spread, believed, 4.0 * believed), np.inf)


class _Problem:
    """Normal equations of one clip; the points' 3x3 blocks are eliminated, the poses and the focal length remain."""

    def __init__(
        self,
        observed: Float[np.ndarray, "K P 2"],
        shape: Float64[np.ndarray, "P 3"],
        centre: tuple[float, float],
        priors: Priors,
    ) -> None:
        self.observed, self.prior_shape, self.centre, self.priors = observed, shape, centre, priors

    def residuals(self, state: _State) -> Float64[np.ndarray, "K P 2"]:
        return self.observed - project(state.poses.transform(state.shape), state.focal, self.centre)

    def cost(self, state: _State, noise: Float64[np.ndarray, "K P"]) -> float:
        squared = (self.residuals(state) ** 2).sum(-1) / noise**2
        data = CAUCHY_WIDTH**2 * np.log1p(squared / CAUCHY_WIDTH**2).sum() * self.priors.evidence
        surface = ((state.shape - self.prior_shape) ** 2).sum() / self.priors.shape_spread**2
        return float(data + surface + (state.log_focal - np.log(self.priors.focal)) ** 2 / self.priors.focal_spread**2)

    def step(self, state: _State, noise: Float64[np.ndarray, "K P"], damping: float) -> _State:
        poses, shape, focal = state.poses, state.shape, state.focal
        points = poses.transform(shape)
        projected = project(points, focal, self.centre)
        residual = self.observed - projected
        precision = 1 / noise**2
        root = np.sqrt(self.priors.evidence * precision * cauchy_weight((residual**2).sum(-1) * precision))[..., None]
        residual = residual * root
        by_pose = pose_jacobian(points, poses.translation, focal) * root[..., None]
        by_point = (point_jacobian(points, focal) @ poses.rotation[:, None]) * root[..., None]
        by_focal = (projected - np.array(self.centre)) * root
        count, size = len(poses), 6 * len(poses)

        camera = np.zeros((size + 1, size + 1))
        camera_side = np.zeros(size + 1)
        tall = by_pose.reshape(count, -1, 6)
        tall_t = np.swapaxes(tall, 1, 2)
        rows = np.arange(size).reshape(count, 6)
        camera[rows[:, :, None], rows[:, None, :]] = tall_t @ tall
        camera[:size, size] = camera[size, :size] = (tall_t @ by_focal.reshape(count, -1, 1)).ravel()
        camera[size, size] = (by_focal**2).sum() + 1 / self.priors.focal_spread**2
        camera_side[:size] = (tall_t @ residual.reshape(count, -1, 1)).ravel()
        off_prior = state.log_focal - np.log(self.priors.focal)
        camera_side[size] = (by_focal * residual).sum() - off_prior / self.priors.focal_spread**2
        camera[np.diag_indices_from(camera)] *= 1 + damping

        by_point_t = np.swapaxes(by_point, 2, 3)
        held = 1 / self.priors.shape_spread**2
        block = (by_point_t @ by_point).sum(0) + held * np.eye(3)
        block[:, range(3), range(3)] *= 1 + damping
        side = (by_point_t @ residual[..., None])[..., 0].sum(0) - held * (shape - self.prior_shape)
        cross = np.empty((len(shape), 3, size + 1))
        cross[..., :size] = (by_point_t @ by_pose).transpose(1, 2, 0, 3).reshape(len(shape), 3, size)
        cross[..., size] = (by_point_t @ by_focal[..., None])[..., 0].sum(0)

        half = np.linalg.inv(np.linalg.cholesky(block))
        white = (half @ cross).reshape(-1, size + 1)
        white_side = (half @ side[..., None]).ravel()
        move = np.linalg.solve(camera - white.T @ white, camera_side - white.T @ white_side)
        point_move = np.linalg.solve(block, (side - cross @ move)[..., None])[..., 0]
        return _State(shape + point_move, state.log_focal + float(move[size]), poses.moved(move[:size].reshape(-1, 6)))
