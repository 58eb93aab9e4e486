"""What a person does without being asked, without end: blinks, motion of brows and cheeks, turns of the head.

Each is made in pieces of twenty seconds, of seeds of their own, that are joined where it does not show; one piece and
the next are all that is ever kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from arguments.clock import FPS
from motion.blinks import LONGEST, BlinkModel
from motion.head_motion import HeadMotion
from motion.idle import IdleMotion

PIECE = 20 * FPS  # frames
FADE = 2 * FPS  # frames in which a piece goes over into the next; two blinks are shorter

Rows = Float[np.ndarray, "F *D"]
Join = Callable[[np.ndarray, np.ndarray], np.ndarray]
assert FADE > 2 * LONGEST + 2


class Endless:
    """Rows of pieces that follow each other.

    Args:
        make: a piece of so many frames and a seed.
        join: the passage from the last :data:`FADE` rows of a piece into the first of the next.
        seed: the same gives the same.
    """

    def __init__(self, make: Callable[[int, int], np.ndarray], join: Join, seed: int) -> None:
        self._make, self._join, self._seed = make, join, seed
        self._pieces = self._at = 0
        self._rows = self._piece()

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> np.ndarray | np.floating:
        if self._at == PIECE:
            following = self._piece()
            following[:FADE] = self._join(self._rows[-FADE:], following[:FADE])
            self._rows, self._at = following, 0
        self._at += 1
        return self._rows[self._at - 1]

    def _piece(self) -> np.ndarray:
        own = int(np.random.SeedSequence((self._seed, self._pieces)).generate_state(1)[0])
        self._pieces += 1
        return np.array(self._make(PIECE + FADE, own))


def endless_idle(idle: IdleMotion, seed: int) -> Endless:
    """Codes [K] that wander, as :meth:`IdleMotion.generate` does."""

    def join(last: Float[np.ndarray, "F K"], first: Float[np.ndarray, "F K"]) -> Float[np.ndarray, "F K"]:
        turn = _shares()[:, None] * np.pi / 2  # two independent motions of one spread: so has what is between
        middle = idle.middle.astype(last.dtype)
        return middle + np.cos(turn) * (last - middle) + np.sin(turn) * (first - middle)

    return Endless(idle.generate, join, seed)


def endless_blinks(blinks: BlinkModel, seed: int) -> Endless:
    """Blink intensities, 0..1, as :meth:`BlinkModel.generate` makes them."""
    open_below = blinks.rest + 4 * blinks.noise + 0.02

    def join(last: Float[np.ndarray, "F"], first: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
        """Over where both eyes are open, from the noise of the one into that of the other."""
        still = np.maximum(last, first) <= open_below
        both = np.flatnonzero(still[1:] & still[:-1])
        at = int(both[0]) + 1 if len(both) else len(last) // 2
        later = np.arange(1, len(first) - at + 1)
        less = np.abs(blinks.steadiness) ** later * np.cos(later / later[-1] * np.pi / 2) ** 2
        apart = (last[at - 1] - first[at - 1]) * less
        return np.concatenate([last[:at], first[at:] + apart]).clip(0, 1)

    return Endless(blinks.generate, join, seed)


def endless_poses(
    motion: HeadMotion,
    seed: int,
    body: Float[np.ndarray, "N 12"] | None = None,
    follow: Callable[[Float[np.ndarray, "F 4 4"]], Float[np.ndarray, "F 12"]] | None = None,
) -> Endless:
    """Poses of a head and how the body moves with it, 28 numbers: head to camera (16), then the body's 12.

    Accents of what is said have no part in it: they would have to be known 400 ms ahead.

    Args:
        motion: of the person's clip.
        seed: the same gives the same.
        body: how the body moves in the clip's frames; none unless given.
        follow: how it follows the head, where that is not held as in the clip's frame.
    """

    def make(count: int, own: int) -> Float[np.ndarray, "{count} 28"]:
        poses, path = motion.generate(count, own, body=body)
        moved = np.zeros((count, 12))
        if body is not None:
            moved = path.blended(body)
            if follow is not None:
                moved = moved + follow(poses) - follow(path.poses(motion.viewmats))
        return np.concatenate([poses.reshape(count, 16), moved], axis=1)

    return Endless(make, join_poses, seed)


def join_poses(last: Float[np.ndarray, "F 28"], first: Float[np.ndarray, "F 28"]) -> Float[np.ndarray, "F 28"]:
    """From poses into others, the shorter way round."""
    share = _shares()[:, None]
    joined = last + share * (first - last)
    start, end = (Rotation.from_matrix(rows[:, :16].reshape(-1, 4, 4)[:, :3, :3]) for rows in (last, first))
    turned = start * Rotation.from_rotvec((start.inv() * end).as_rotvec() * share)
    poses = joined[:, :16].reshape(-1, 4, 4).copy()
    poses[:, :3, :3] = turned.as_matrix()
    return np.concatenate([poses.reshape(-1, 16), joined[:, 16:]], axis=1)


def _shares() -> Float[np.ndarray, "F"]:
    share = (np.arange(FADE) + 0.5) / FADE
    return share**2 * (3 - 2 * share)
