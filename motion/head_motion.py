"""How a person's head moves while it speaks: pieces of the clip's own motion, with the accents of other speech.

What of the head's motion answers to loudness (nods with accents: Hadar et al., "Head movement correlates of juncture
and stress at sentence level", 1983; Munhall et al. 2004) is learnt as a linear filter. A film takes the part out that
the clip's speech explains, and puts that of its own in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial.transform import Rotation

from arguments.clock import FPS
from data_utils.face_tracking import rotations
from motion.frame_path import FramePath, places_of, wandering_path

BEFORE, AFTER = 10, 10  # frames of loudness around a frame that tell its accent
_STIFF = 3.0  # of the filter's ridge, in the loudness' variances
_FOLDS = 5
_TOLD = 0.03  # share of the quick motion's variance that loudness has to explain, or it is chance
_DRIFT = 12.0  # frames: slower motion is no accent
FASTEST = 99.9  # percentile of the clip's speed, which no film exceeds
_ROUNDS = 300  # of smoothing what is too fast


@dataclass(frozen=True)
class HeadMotion:
    """Of a clip.

    Attributes:
        viewmats: head to camera [N, 4, 4] (OpenCV), decimetres.
        pieces: unbroken stretches of frames in which the pose is known.
        speaks: how much speech there is in each frame, 0..1.
        loudness: of :func:`data_utils.voice.loudness`.
        filter: from the loudness around a frame to the head's turn (rad), [21, 3]; zero where it tells nothing.
        limits: the most that the head turns (rad) and shifts (decimetres) from frame to frame.
    """

    viewmats: Float[np.ndarray, "N 4 4"]
    pieces: tuple[tuple[int, int], ...]
    speaks: Float[np.ndarray, "N"]
    loudness: Float[np.ndarray, "N"]
    filter: Float[np.ndarray, "T 3"]
    limits: tuple[float, float]

    @classmethod
    def of_clip(
        cls,
        viewmats: Float[np.ndarray, "N 4 4"],
        pieces: Sequence[tuple[int, int]],
        speaks: Float[np.ndarray, "N"],
        loud: Float[np.ndarray, "N"],
    ) -> HeadMotion:
        """What a clip teaches; ``loud``: of :func:`data_utils.voice.loudness`."""
        known = np.concatenate([np.arange(begin, end) for begin, end in pieces])
        inner = np.concatenate([np.arange(begin, end - 1) for begin, end in pieces])
        turn, shift = (float(np.percentile(one[inner], FASTEST)) if len(inner) else 0.0 for one in speeds(viewmats))
        return cls(viewmats, tuple(pieces), speaks, loud, _accents(viewmats, loud, known), (turn, shift))

    def generate(
        self,
        count: int,
        seed: int,
        *,
        body: Float[np.ndarray, "N 12"] | None = None,
        speaks: Float[np.ndarray, "{count}"] | None = None,
        loud: Float[np.ndarray, "{count}"] | None = None,
    ) -> tuple[Float[np.ndarray, "{count} 4 4"], FramePath]:
        """Poses of ``count`` frames of other speech, and the path through the clip that they come from.

        Args:
            count: frames.
            seed: the same gives the same.
            body: motion of the body in the clip's frames, which has to fit where pieces meet.
            speaks: how much speech there is in each of the film's frames, 0..1.
            loud: how loud the film is, of the same function.
        """
        places = places_of(self.viewmats, body)
        path = wandering_path(places, self.pieces, count, seed, speaks=self.speaks, wanted=speaks)
        poses = path.poses(self.viewmats)
        if loud is not None:
            accent = accents(loud, self.filter) - path.blended(accents(self.loudness, self.filter))
            poses[:, :3, :3] = rotations.exp(accent) @ poses[:, :3, :3]
        return within_limits(poses, self.limits), path


def accents(loud: Float[np.ndarray, "N"], taps: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "N 3"]:
    """How far loudness turns the head in each frame, as rotation vectors of the camera's space (rad)."""
    return _around(loud) @ taps


def speeds(viewmats: Float[np.ndarray, "N 4 4"]) -> tuple[Float[np.ndarray, "N-1"], Float[np.ndarray, "N-1"]]:
    """How far a head turns (rad) and shifts (decimetres) from each frame to the next."""
    turned = np.swapaxes(viewmats[:-1, :3, :3], 1, 2) @ viewmats[1:, :3, :3]
    turn = Rotation.from_matrix(turned).magnitude() if len(turned) else np.zeros(0)
    return turn, np.linalg.norm(np.diff(viewmats[:, :3, 3], axis=0), axis=1)


def within_limits(viewmats: Float[np.ndarray, "F 4 4"], limits: tuple[float, float]) -> Float[np.ndarray, "F 4 4"]:
    """Poses that turn and shift from frame to frame by no more than ``limits``: what is faster is smoothed."""
    if len(viewmats) < 2:
        return viewmats
    base = viewmats[0, :3, :3]
    turns = rotations.log(viewmats[:, :3, :3] @ base.T)
    values = np.concatenate([turns, viewmats[:, :3, 3]], axis=1)
    for number in range(_ROUNDS):
        fast = np.zeros(len(values) - 1, bool)
        for speed, limit in zip(speeds(_poses(values, base, viewmats)), limits, strict=True):
            fast |= speed > limit
        if not fast.any():
            break
        near = maximum_filter1d(np.pad(fast.astype(float), (0, 1)), 9)
        share = gaussian_filter1d(near, 2.0)[:, None]
        smooth = gaussian_filter1d(values, 1.5 + number / 20, axis=0, mode="nearest")
        values = values + share * (smooth - values)
    return _poses(values, base, viewmats)


def _poses(values: Float[np.ndarray, "F 6"], base: np.ndarray, like: np.ndarray) -> np.ndarray:
    poses = like.copy()
    poses[:, :3, :3] = rotations.exp(values[:, :3]) @ base
    poses[:, :3, 3] = values[:, 3:]
    return poses


def _around(loud: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N T"]:
    padded = np.pad(loud - loud.mean() if len(loud) else loud, (BEFORE, AFTER))
    return sliding_window_view(padded, BEFORE + AFTER + 1)


def _accents(
    viewmats: Float[np.ndarray, "N 4 4"], loud: Float[np.ndarray, "N"], known: np.ndarray
) -> Float[np.ndarray, "T 3"]:
    """The filter of :class:`HeadMotion`; zero about the axes of which it does not tell parts of the clip that it has
    not learnt from."""
    middle = rotations.mean(viewmats[known, :3, :3])
    turns = rotations.log(viewmats[:, :3, :3] @ middle.T)
    quick = (turns - gaussian_filter1d(turns, _DRIFT, axis=0, mode="nearest"))[known]
    heard = _around(loud)
    heard = (heard - gaussian_filter1d(heard, _DRIFT, axis=0, mode="nearest"))[known]
    taps = _ridge(heard, quick)
    folds = np.arange(len(known)) * _FOLDS // max(1, len(known))
    told = np.zeros_like(quick)
    for fold in range(_FOLDS):
        out = folds == fold
        if out.any() and (~out).sum() > 10 * FPS:
            told[out] = heard[out] @ _ridge(heard[~out], quick[~out])
    helps = ((quick - told) ** 2).sum(0) < (1 - _TOLD) * (quick**2).sum(0)
    return taps * helps


def _ridge(heard: Float[np.ndarray, "N T"], wanted: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "T 3"]:
    stiff = _STIFF * max(float(heard.var()), 1e-9) * max(1, len(heard)) / 10
    return np.linalg.solve(heard.T @ heard + stiff * np.eye(heard.shape[1]), heard.T @ wanted)
