"""The way of a film through the frames of a clip: always forward, with returns that do not show.

Where the person holds head and body at one time as at another, the film may go on from there: pieces of real motion
follow each other, each faded into the next (Schödl et al., "Video textures", SIGGRAPH 2000; Kovar et al., "Motion
graphs", SIGGRAPH 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from arguments.clock import FPS
from data_utils.face_tracking import rotations

FADE = 24  # frames, from one piece into the next
SHORTEST = 2 * FPS  # frames of a piece, between two fades, unless the clip is too short
LOOKING = 2 * FPS  # frames, in which the best place to leave a piece is looked for
PIECE = (3.0, 9.0)  # seconds, that pieces last before that
NEAREST = 0.1  # of the clip's frames, those most like another one: among them the film goes on, or it circles
_FEW = 24  # frames that it is at least, where there are as many
_SPEED_WEIGHT = 4.0  # frames: how much a difference of speed counts beside one of place
_LISTENED = 2 * FPS  # frames of speech and silence that a piece should share with the film
_AHEAD = 5 * FPS  # frames of a piece that should not have been shown more often than others
_SOUND_WEIGHT, _AGAIN_WEIGHT, _CHANCE_WEIGHT = 1.0, 0.5, 0.3  # beside distances, whose median is one


@dataclass(frozen=True)
class FramePath:
    """F steps, each a frame of a clip or a mixture of two."""

    first: Int[np.ndarray, "F"]
    second: Int[np.ndarray, "F"]
    mix: Float[np.ndarray, "F"]
    """Share of the second frame, 0 to 1."""

    @classmethod
    def of(cls, frames: Sequence[int] | Int[np.ndarray, "F"]) -> FramePath:
        """A path of whole frames.

        Example:
            >>> path = FramePath.of([3, 4])
            >>> path.blended(np.array([0.0, 1.0, 2.0, 3.0, 5.0]))
            array([3., 5.])
        """
        numbers = np.array(frames, np.int64)
        return cls(numbers, numbers, np.zeros(len(numbers)))

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, chosen: slice) -> FramePath:
        return FramePath(self.first[chosen], self.second[chosen], self.mix[chosen])

    def blended(self, values: Float[np.ndarray, "N *D"]) -> Float[np.ndarray, "F *D"]:
        """Values of the clip's frames along the path; a whole frame's are as they are."""
        along = values[self.first]
        fades = np.flatnonzero(self.mix)
        share = self.mix[fades].reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
        along[fades] += share * (values[self.second[fades]] - along[fades])
        return along

    def poses(self, viewmats: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "F 4 4"]:
        """Poses along the path, given those of the clip's frames, head to camera."""
        poses, fades = self.blended(viewmats), np.flatnonzero(self.mix)
        if len(fades):
            start, end = (Rotation.from_matrix(viewmats[which[fades], :3, :3]) for which in (self.first, self.second))
            turn = (start.inv() * end).as_rotvec() * self.mix[fades, None]
            poses[fades, :3, :3] = (start * Rotation.from_rotvec(turn)).as_matrix()
        return poses


def places_of(
    viewmats: Float[np.ndarray, "N 4 4"], body: Float[np.ndarray, "N 12"] | None = None
) -> Float[np.ndarray, "N D"]:
    """What tells how alike two frames are: head and body, so that a unit is what a viewer sees as much of each.

    Args:
        viewmats: head to camera.
        body: its motion in the picture.
    """
    turns = rotations.log(viewmats[:, :3, :3] @ viewmats[0, :3, :3].T)
    depth = np.median(viewmats[:, 2, 3])
    parts = [turns, viewmats[:, :3, 3] / depth * 3, *([] if body is None else [body[:, :2] * 3])]
    return np.concatenate(parts, axis=1)


def forward_path(places: Float[np.ndarray, "N D"], piece: tuple[int, int], count: int) -> FramePath:
    """A piece of the clip again and again, from its first frame on; each return is where it shows least.

    One of a few frames is played once, and its last frame stays.

    Args:
        places: of :func:`places_of`.
        piece: the first frame, and the one after the last.
        count: F.
    """
    begin, end = piece
    fade = _fade(end - begin)
    walk = _Walk(count, fade)
    if end - begin <= 2 * fade:
        return FramePath.of(np.minimum(begin + np.arange(count), end - 1))
    states = _states(places, [piece])
    leave, enter = _loop(states[begin:end], fade)
    at = begin
    while not walk.play(at, begin + leave):
        walk.fade(begin + leave, begin + enter)
        at = begin + enter + fade
    return walk.path()


def wandering_path(
    places: Float[np.ndarray, "N D"],
    pieces: Sequence[tuple[int, int]],
    count: int,
    seed: int,
    *,
    speaks: Float[np.ndarray, "N"] | None = None,
    wanted: Float[np.ndarray, "{count}"] | None = None,
) -> FramePath:
    """Pieces of the clip in an order of its own, each from where the last can pass into it.

    Args:
        places: of :func:`places_of`.
        pieces: unbroken stretches of the clip, as pairs of the first frame and the one after the last, in order.
        count: F.
        seed: the same gives the same path.
        speaks: how much speech there is in each of the clip's frames, 0..1.
        wanted: the same of the film: pieces are chosen in which the person speaks and is silent with it.
    """
    random = np.random.default_rng(seed)
    fade = _fade(max(end - begin for begin, end in pieces))
    pieces = [piece for piece in pieces if piece[1] - piece[0] > 2 * fade]
    if not pieces:
        raise ValueError("no piece is long enough")
    states = _states(places, pieces)
    ends = np.zeros(len(places), int)
    targets = []
    for begin, end in pieces:
        ends[begin:end] = end
        targets.append(np.arange(begin, max(begin + 1, end - fade - min(SHORTEST, (end - begin) // 3))))
    enterable = np.concatenate(targets)
    tree, nearest = cKDTree(states[enterable]), max(1, min(len(enterable), _FEW), round(NEAREST * len(enterable)))
    typical = np.median(tree.query(states[enterable[:: max(1, len(enterable) // 500)]], k=nearest)[0])
    visits = np.zeros(len(places))
    walk = _Walk(count, fade)
    at = int(random.choice(enterable))
    while True:
        wait = int(FPS * random.uniform(*PIECE))
        last = ends[at] - fade  # where the piece has to be left
        earliest = min(at + wait, max(at + 1, last - LOOKING))
        sources = np.arange(earliest, max(earliest + 1, min(earliest + LOOKING, last + 1)))
        sources = np.minimum(sources, last)
        distance, which = tree.query(states[sources], k=nearest)
        target = enterable[which]
        cost = distance / max(typical, 1e-9) + _CHANCE_WEIGHT * random.random(distance.shape)
        shown = np.concatenate([[0], np.cumsum(visits)])
        ahead = np.minimum(target + _AHEAD, ends[target])
        often = (shown[ahead] - shown[target]) / (ahead - target)
        cost = cost + _AGAIN_WEIGHT * (often - visits[enterable].mean())
        cost = cost + 1e6 * (np.abs(target - sources[:, None]) < fade)  # no return to itself
        if speaks is not None and wanted is not None:
            times = len(walk) + (sources - at) + fade
            cost = cost + _SOUND_WEIGHT * _unlike(speaks, target + fade, wanted, times)
        row, column = np.unravel_index(int(np.argmin(cost)), cost.shape)
        leave, enter = int(sources[row]), int(target[row, column])
        visits[at:leave] += 1
        if walk.play(at, leave):
            return walk.path()
        walk.fade(leave, enter)
        at = enter + fade


def _fade(length: int) -> int:
    return max(1, min(FADE, length // 4))


def _states(places: Float[np.ndarray, "N D"], pieces: Sequence[tuple[int, int]]) -> Float[np.ndarray, "N 2*D"]:
    """Places and speeds in the middle of the fade that begins with each frame."""
    states = np.zeros((len(places), 2 * places.shape[1]))
    for begin, end in pieces:
        eased = gaussian_filter1d(places[begin:end], 1.5, axis=0, mode="nearest")
        speed = np.gradient(eased, axis=0) if end - begin > 1 else np.zeros_like(eased)
        both = np.concatenate([eased, _SPEED_WEIGHT * speed], axis=1)
        later = np.minimum(np.arange(end - begin) + _fade(end - begin) // 2, end - begin - 1)
        states[begin:end] = both[later]
    return states


def _loop(states: Float[np.ndarray, "L D"], fade: int) -> tuple[int, int]:
    """The frames at which a piece is left and entered again: late and early, and alike."""
    length = len(states)
    leaves = np.arange(max(fade, length * 3 // 5), length - fade + 1)
    enters = np.arange(0, max(1, min(length * 2 // 5, length - 2 * fade)))
    distance, nearest = cKDTree(states[enters]).query(states[np.minimum(leaves, length - 1)])
    shortened = 1 - (leaves - enters[nearest]) / length  # share of the piece that is not shown again
    best = int(np.argmin(distance / max(float(np.median(distance)), 1e-9) + shortened))
    return int(leaves[best]), int(enters[nearest[best]])


def _unlike(
    speaks: Float[np.ndarray, "N"],
    targets: Int[np.ndarray, "S K"],
    wanted: Float[np.ndarray, "F"],
    times: Int[np.ndarray, "S"],
) -> Float[np.ndarray, "S K"]:
    """How much speech and silence of the clip from ``targets`` on differ from the film's from ``times`` on."""
    ahead = np.arange(0, _LISTENED, 5)
    theirs = speaks[np.minimum(targets[..., None] + ahead, len(speaks) - 1)]
    ours = wanted[np.minimum(times[:, None] + ahead, len(wanted) - 1)]
    return np.abs(theirs - ours[:, None]).mean(-1)


class _Walk:
    """A path as it is made."""

    def __init__(self, count: int, fade: int) -> None:
        self._count, self._fade = count, fade
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def play(self, begin: int, end: int) -> bool:
        """Add the frames from ``begin`` on, before ``end``; whether the path is long enough now."""
        frames = np.arange(begin, end)
        self._add(frames, frames, np.zeros(len(frames)))
        return self._length >= self._count

    def fade(self, leave: int, enter: int) -> None:
        """Add the passage from the frames that follow ``leave`` into those that follow ``enter``."""
        steps = np.arange(self._fade)
        share = (steps + 0.5) / self._fade
        self._add(leave + steps, enter + steps, share**2 * (3 - 2 * share))

    def path(self) -> FramePath:
        first, second, mix = (np.concatenate(parts)[: self._count] for parts in zip(*self._parts, strict=True))
        return FramePath(first, second, mix)

    def _add(self, first: np.ndarray, second: np.ndarray, mix: np.ndarray) -> None:
        self._parts.append((first, second, mix))
        self._length += len(first)


def unbroken(frames: Sequence[int], cuts: frozenset[int] = frozenset()) -> list[tuple[int, int]]:
    """The stretches of ``frames`` (ascending) that follow each other, none but the first frame of each at a cut.

    Example:
        >>> unbroken([0, 1, 2, 5, 6, 7, 8], frozenset({7}))
        [(0, 3), (5, 7), (7, 9)]
    """
    if not len(frames):
        return []
    starts = [0, *(k + 1 for k, (i, j) in enumerate(pairwise(frames)) if j != i + 1 or j in cuts), len(frames)]
    return [(frames[a], frames[b - 1] + 1) for a, b in pairwise(starts)]
