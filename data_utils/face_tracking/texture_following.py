"""Every frame's pose by the head's texture, and how far it is to be believed.

A frame begins where landmarks and skin features put it. Where the texture does not lie well on the picture then - a
quick turn blurs it and leaves the landmarks behind - it is looked for from farther away, at the coarser levels of a
pyramid; and from the poses of the frames before and after, in a pass forward and a pass backward that meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from data_utils.face_tracking import rotations
from data_utils.face_tracking.direct_alignment import FEWEST, align, correlations
from data_utils.face_tracking.head_view import LEVELS, HeadView, head_views
from data_utils.face_tracking.perspective import Poses
from data_utils.face_tracking.photometric_adjustment import TexturedHead
from data_utils.face_tracking.smoothing import shots
from data_utils.parallel import in_threads
from media.images import read_grey

TRUSTED = 0.5  # correlation with the texture from which on a pose is believed
_SURE = 0.8  # from which on nothing better is looked for
_COARSE = (TRUSTED, 0.75, 0.9)  # the same by level: less detail is alike more easily
_ITERATIONS = 10
_PATIENCE = 3  # frames for which a pass goes on without one to believe


@dataclass(frozen=True)
class Followed:
    """A head followed by its texture through N frames."""

    poses: Poses  # N; as they came where they are not trusted
    trust: Float64[np.ndarray, "N"]  # 0..1: correlation of frame and texture; 0 where the frame kept its pose


@dataclass(frozen=True)
class _Placed:
    """One frame's pose and how much of the head looks like itself under it."""

    pose: Poses  # of one frame
    trust: float


def follow(
    frames: Sequence[Path],
    start: Poses,
    usable: Bool[np.ndarray, "N"],
    head: TexturedHead,
    focal: float,
    centre: tuple[float, float],
    cuts: Sequence[int] = (),
) -> Followed:
    """Poses of N frames under which the head's texture lies on them.

    Args:
        frames: N image files.
        start: N poses.
        usable: [N] frames where a face is seen; the others keep their poses and are not trusted.
        head: what it looks like.
        focal: pixels.
        centre: principal point, pixels.
        cuts: frames at which a new shot begins; no pose is carried across them.

    Raises:
        EGSTalkerError: an image is unreadable.
    """

    def place(i: int, poses: list[Poses]) -> _Placed:
        grey = read_grey(frames[i])
        return _best(*(_place(grey, pose, head, focal, centre) for pose in poses))

    wanted = np.flatnonzero(usable).tolist()
    placed = dict(zip(wanted, in_threads(lambda i: place(i, [start[i : i + 1]]), wanted), strict=True))
    for shot in shots(len(frames), cuts):
        inside = range(shot.start, shot.stop)
        ahead = _pass([i for i in inside if i in placed], placed, place)
        back = _pass([i for i in reversed(inside) if i in placed], placed, place)
        for i in ahead.keys() | back.keys():
            placed[i] = _best(placed[i], *(found[i] for found in (ahead, back) if i in found))
    rotation, translation = start.rotation.copy(), start.translation.copy()
    trust = np.zeros(len(frames))
    for i, here in placed.items():
        if here.trust >= TRUSTED:
            rotation[i], translation[i], trust[i] = here.pose.rotation[0], here.pose.translation[0], here.trust
    return Followed(Poses(rotation, translation), trust)


def _pass(
    order: Iterable[int], placed: dict[int, _Placed], place: Callable[[int, list[Poses]], _Placed]
) -> dict[int, _Placed]:
    """The doubtful among the frames placed anew, each from where the two before it in ``order`` lead."""
    found: dict[int, _Placed] = {}
    before: list[tuple[int, Poses]] = []  # the last two frames that are believed
    for i in order:
        here = placed[i]
        if here.trust < _SURE and before and abs(i - before[-1][0]) <= _PATIENCE:
            found[i] = place(i, _led_to(before, i))
            here = _best(here, found[i])
        if here.trust >= TRUSTED:
            before = [*before[-1:], (i, here.pose)]
    return found


def _led_to(before: list[tuple[int, Poses]], i: int) -> list[Poses]:
    """Where frame ``i`` may find the head: where it was, and where its last step leads."""
    last, pose = before[-1]
    if len(before) < 2:
        return [pose]
    earlier, other = before[0]
    steps = (i - last) / (last - earlier)
    if not 0 < steps <= _PATIENCE:
        return [pose]
    turn = rotations.log(pose.rotation @ np.swapaxes(other.rotation, 1, 2))
    return [
        pose,
        Poses(
            rotations.exp(steps * turn) @ pose.rotation,
            pose.translation + steps * (pose.translation - other.translation),
        ),
    ]


def _best(*candidates: _Placed) -> _Placed:
    return max(candidates, key=lambda candidate: candidate.trust)


def _place(
    grey: UInt8[np.ndarray, "H W"], pose: Poses, head: TexturedHead, focal: float, centre: tuple[float, float]
) -> _Placed:
    """The pose that a frame's texture tells, from ``pose`` on: as it is, and if it does not fit, from farther away."""
    (finest,) = head_views(grey, pose, head.points, focal, centre, levels=1)
    near = _aligned(finest, 0, pose, head, focal, centre)
    if near.trust >= _SURE:
        return near
    by_level: dict[int, _Placed] = {}
    for level, view in reversed(list(enumerate(head_views(grey, pose, head.points, focal, centre)))):
        by_level[level] = _aligned(view, level, pose, head, focal, centre)
        if by_level[level].trust >= TRUSTED:
            pose = by_level[level].pose
    best = _best(near, by_level[0])
    if best.trust >= TRUSTED:
        return best
    return next((by_level[level] for level in range(1, LEVELS) if by_level[level].trust >= _COARSE[level]), best)


def _aligned(
    view: HeadView, level: int, pose: Poses, head: TexturedHead, focal: float, centre: tuple[float, float]
) -> _Placed:
    rotation, translation = pose.rotation[0].copy(), pose.translation[0].copy()
    agreement = np.empty((head.regions, 3))
    length, middle = view.camera(focal, centre)
    seen = align(
        view.image, view.corner, head.places, head.points.rays, head.region, head.texture[level],
        head.precision[level], rotation, translation, length, middle, _ITERATIONS, agreement,
    )  # fmt: skip
    if seen < FEWEST or not (np.isfinite(rotation).all() and np.isfinite(translation).all() and translation[2] < 0):
        return _Placed(pose, 0.0)
    return _Placed(Poses(rotation[None], translation[None]), _median_correlation(agreement))


def _median_correlation(agreement: Float64[np.ndarray, "R 3"]) -> float:
    """The correlation of picture and texture in the median of the head's regions, weighted by their texture.

    A hand may hide less than half of them and the rest still be believed; a pose that is wrong is so everywhere.
    """
    likeness, weight = correlations(agreement), agreement[:, 2]
    if weight.sum() <= 0:
        return 0.0
    order = np.argsort(likeness)
    middle = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    return float(np.clip(likeness[order][middle], 0.0, 1.0))
