"""The motion of a face over a clip, pose and expression, as a chain whose links are random walks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int

from data_utils.face_tracking import rotations
from data_utils.face_tracking.perspective import Poses
from data_utils.lost_frames import interpolate_lost

_ROTATION_STEP, _SHIFT_STEP, _EXPRESSION_STEP = 0.03, 0.05, 0.6  # what changes from frame to frame: rad, dm, deviations
_LIMIT = 0.2  # rad or decimetres: the largest step of a pose four decimetres away


@dataclass(frozen=True)
class Motion:
    """What changes from frame to frame."""

    poses: Poses  # N
    expression: Float64[np.ndarray, "N E"]

    def __getitem__(self, index: Int[np.ndarray, "K"] | slice) -> Motion:
        return Motion(self.poses[index], self.expression[index])

    def moved(self, step: Float64[np.ndarray, "N L"], hold_poses: bool) -> Motion:
        """The motion after a step [N, 6 + E] of :meth:`Poses.moved` and expression; [N, E] where poses are held."""
        if hold_poses:
            return replace(self, expression=self.expression + step)
        limit = _LIMIT * np.maximum(1.0, -self.poses.translation[:, 2:] / 4)
        size = np.abs(step[:, :6]).max(axis=1, keepdims=True)
        pose_step = step[:, :6] * np.minimum(1.0, limit / np.maximum(size, 1e-12))
        return Motion(self.poses.moved(pose_step), self.expression + step[:, 6:])

    @classmethod
    def join(cls, parts: Sequence[Motion]) -> Motion:
        """The motion of consecutive parts of a clip as one."""
        rotation, translation = (
            np.concatenate([getattr(part.poses, name) for part in parts]) for name in ("rotation", "translation")
        )
        return cls(Poses(rotation, translation), np.concatenate([part.expression for part in parts]))

    def held(self, found: Bool[np.ndarray, "N"], fit_frames: int | None = None) -> Motion:
        """The motion with the frames where no face was ``found`` interpolated, see :func:`interpolate_lost`."""
        expression = interpolate_lost(self.expression, found, fit_frames)
        return Motion(self.poses.filled(found, fit_frames), expression)

    def changes(self, rows: slice) -> Float64[np.ndarray, "M L"]:
        """Changes [n + 1, 6 + E] into the n frames ``rows`` and out of the last; zero where there is no neighbour."""
        count = len(self.expression)
        stop = min(rows.stop, count)
        frames = np.arange(rows.start, stop + 1)
        after, before = np.minimum(frames, count - 1), np.maximum(frames - 1, 0)
        poses = self.poses
        turn = rotations.log(poses.rotation[after] @ np.swapaxes(poses.rotation[before], 1, 2))
        shift = poses.translation[after] - poses.translation[before]
        return np.concatenate([turn, shift, self.expression[after] - self.expression[before]], axis=1)


def link_precision(expressions: int) -> Float64[np.ndarray, "L"]:
    """Precision [6 + E] of the change from one frame to the next."""
    spread = np.repeat([_ROTATION_STEP, _SHIFT_STEP, _EXPRESSION_STEP], [3, 3, expressions])
    return 1 / spread**2


def solve_chain(
    block: Float64[np.ndarray, "n L L"], side: Float64[np.ndarray, "n L"], link: Float64[np.ndarray, "L"]
) -> Float64[np.ndarray, "n L"]:
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
