"""How a person's body moves in the picture: measured in a clip, and made anew for other turns of the head.

The body of somebody who sits and speaks moves little: as an affine map of the picture's plane against one frame at
rest, and in a few modes of what else clothes do, smooth fields over the body (shoulders that rise, a collar that gives
way). Corners of the clothes tell both, followed from frame to frame (Lucas and Kanade 1981, in pyramids after Bouguet
2000; forth and back after Kalal et al. 2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.ndimage import gaussian_filter1d

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from data_utils.cures import read_picture
from data_utils.face_parsing.classes import TORSO, to_classes
from data_utils.face_tracking import rotations
from data_utils.lost_frames import interpolate_lost
from data_utils.parallel import ranges, run_jobs

CORNERS = 500  # that are followed at most
_QUALITY, _APART = 0.003, 1 / 80  # of corners: share of the best one's strength; of the side, between two
_WITHIN = 4  # pixels that corners keep from the torso's outline: what is behind it does not move along
_WINDOW, _LEVELS = 21, 4  # of the search, pixels; and of its pyramid
_AGREE = 1.0  # pixels by which the way forth and back may differ
_LEAST = 12  # corners that tell a motion
_STIFF = 3.0  # corners: how much the body is taken to keep its shape
_GRID = (6, 4)  # across and down, of the bumps that other motion is made of
_BUMP_STIFF = 5.0  # corners: how much each of them is taken to stay flat
MODES = 6  # of other motion than an affine map's
_ROUNDS = 5  # of reweighting
_RANGE = 100  # frames that one process follows
_EASED = 0.8  # frames, over which what was measured is smoothed
_SIGMAS = (1.0, 8.0, 40.0)  # frames, over which poses of the head are averaged that tell where the body is
_RIDGES = (0.01, 0.1, 1.0)  # shares of the poses' variance
_FOLDS = 5


@dataclass(frozen=True)
class BodyMotion:
    """Of a clip, and what it has taught.

    A point at u = (x / z, y / z) of the picture at rest, pixels from the principal point over the focal length, goes to
    ``middle + shift + (1 + change) (u - middle)`` plus the modes' fields: twelve numbers, the shift, the change row by
    row, and how much there is of each mode.
    """

    measured: Float[np.ndarray, "N 12"]
    """In the clip's frames."""
    rest: int
    """The frame against which motion counts."""
    middle: Float[np.ndarray, "2"]
    """Of the body in it."""
    bumps: Float[np.ndarray, "G 3"]
    """Of which modes are made: where each is, from the middle, and how wide (standard deviation)."""
    modes: Float[np.ndarray, "6 G 2"]
    """How high each bump is in each mode, in x and y."""
    weights: Float[np.ndarray, "19 12"]
    """From what :func:`_causes` tells of the head, and one, to the motion."""
    mean_pose: Float[np.ndarray, "3 4"]
    """Of the head over the clip, to camera."""

    def follow(self, viewmats: Float[np.ndarray, "F 4 4"]) -> Float[np.ndarray, "F 12"]:
        """The body's motion that follows from the head's."""
        return _predicted(_causes(viewmats, self.mean_pose), self.weights)

    def measured_again(
        self, found: Float[np.ndarray, "N 12"], viewmats: Float[np.ndarray, "N 4 4"], learnt: Bool[np.ndarray, "N"]
    ) -> BodyMotion:
        """The same with other measurements, in the same clip."""
        weights, mean = _following(found, viewmats, learnt)
        return replace(self, measured=found, weights=weights, mean_pose=mean)

    def save(self, folder: ModelFolder) -> None:
        """Write it into a model folder."""
        folder.body_motion.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder.body_motion) as temporary:
            save_file({name: np.array(value, order="C") for name, value in self.arrays().items()}, temporary)

    @classmethod
    def load(cls, folder: ModelFolder) -> BodyMotion:
        """Of a model folder. Raises EGSTalkerError where the file is missing or damaged."""
        try:
            return cls.from_arrays(load_file(folder.body_motion))
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise EGSTalkerError(
                f"{folder.body_motion} is missing or damaged; ./train.sh with --only torso makes it again"
            ) from error

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`from_arrays` takes, to be written to a file."""
        own = {name: getattr(self, name) for name in _ARRAYS}
        return {**own, "rest": np.array(self.rest)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> BodyMotion:
        """Of what :meth:`arrays` made. Raises KeyError or ValueError where it is something else."""
        own = {}
        for name, shape in _ARRAYS.items():
            value = np.asarray(arrays[name], np.float64)
            if len(value.shape) != len(shape) or any(
                n not in (None, m) for n, m in zip(shape, value.shape, strict=True)
            ):
                raise ValueError(f"{name} of the shape {value.shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} is not finite")
            own[name] = value
        if len(own["bumps"]) != own["modes"].shape[1] or (own["bumps"][:, 2] <= 0).any():
            raise ValueError("bumps")
        rest = int(np.asarray(arrays["rest"]).item())
        if not 0 <= rest < len(own["measured"]):
            raise ValueError(f"frame {rest} of {len(own['measured'])}")
        return cls(rest=rest, **own)


def learn_body_motion(
    folder: DatasetFolder,
    viewmats: Float[np.ndarray, "N 4 4"],
    lens: Float[np.ndarray, "3 3"],
    usable: Bool[np.ndarray, "N"],
    learnt: Bool[np.ndarray, "N"],
) -> BodyMotion:
    """Measure the body's motion in every frame of a clip, and learn how it follows the head.

    Args:
        folder: of the dataset.
        viewmats: head to camera in its frames.
        lens: intrinsic matrix, pixels.
        usable: frames in which the person is seen; others lie between them.
        learnt: those of them that may be learnt from, at least one.
    """
    rest = middle_frame(viewmats, learnt)
    found, shape = measure(folder, len(viewmats), rest, lens, usable, learnt)
    weights, mean = _following(found, viewmats, learnt)
    return BodyMotion(found, rest, shape.middle, shape.bumps, shape.modes, weights, mean)


def _following(
    found: Float[np.ndarray, "N 12"], viewmats: Float[np.ndarray, "N 4 4"], learnt: Bool[np.ndarray, "N"]
) -> tuple[Float[np.ndarray, "19 12"], Float[np.ndarray, "3 4"]]:
    """How a body's motion follows the head's, and the mean of the head's poses."""
    mean = _mean_pose(viewmats[learnt])
    return _ridge(_causes(viewmats, mean)[learnt], found[learnt]), mean


def middle_frame(viewmats: Float[np.ndarray, "N 4 4"], learnt: Bool[np.ndarray, "N"]) -> int:
    """The frame among those ``learnt`` whose pose is nearest to their mean."""
    turns, shifts = _relative(viewmats, _mean_pose(viewmats[learnt])).reshape(-1, 2, 3).transpose(1, 0, 2)
    spread = max(shifts[learnt].std(), 1e-6), max(turns[learnt].std(), 1e-6)
    away = np.linalg.norm(turns, axis=1) / spread[1] + np.linalg.norm(shifts, axis=1) / spread[0]
    return int(np.argmin(np.where(learnt, away, np.inf)))


@dataclass(frozen=True)
class Shape:
    """What the numbers of a motion mean; see :class:`BodyMotion`."""

    middle: Float[np.ndarray, "2"]
    bumps: Float[np.ndarray, "G 3"]
    modes: Float[np.ndarray, "6 G 2"]


def measure(
    folder: DatasetFolder,
    num_frames: int,
    rest: int,
    lens: Float[np.ndarray, "3 3"],
    usable: Bool[np.ndarray, "N"],
    learnt: Bool[np.ndarray, "N"],
) -> tuple[Float[np.ndarray, "N 12"], Shape]:
    """The motion in every frame against the frame ``rest``, in modes of the ``learnt`` ones.

    Where clothes have no corners, or are hidden, it lies between that of other frames; where they never have, there is
    none.
    """
    picture = _grey(folder, rest)
    corners = cv2.goodFeaturesToTrack(
        picture, CORNERS, _QUALITY, max(3.0, _APART * picture.shape[1]), mask=_within(folder, rest)
    )
    still, flat = np.zeros((num_frames, 6 + MODES)), np.zeros((MODES, 1, 2))
    if corners is None or len(corners) < _LEAST:
        return still, Shape(np.zeros(2), np.ones((1, 3)), flat)
    corners = corners[:, 0]
    places = (corners + 0.5 - lens[:2, 2]) / np.diag(lens)[:2]
    middle = places.mean(0)
    places -= middle
    bumps = _bumps_over(places)
    jobs = ranges(num_frames, _RANGE)
    found = np.concatenate(run_jobs(partial(_follow, folder, rest, corners, places, bumps, lens), jobs))
    known = np.isfinite(found[:, 0]) & usable
    if not (known & learnt).any():
        return still, Shape(middle, bumps, np.zeros((MODES, len(bumps), 2)))
    eased = gaussian_filter1d(interpolate_lost(found, known), _EASED, axis=0, mode="nearest")
    heights, lies = eased[:, 6:], heights_at(places, bumps)
    fields = np.einsum("cg,ngk->nck", lies, heights.reshape(num_frames, -1, 2)).reshape(num_frames, -1)
    axes = np.linalg.svd(fields[known & learnt], full_matrices=False)[2][:MODES]
    axes = np.pad(axes, ((0, MODES - len(axes)), (0, 0)))  # a clip of a few frames has no more
    much = fields @ axes.T
    spread = (much[known & learnt] ** 2).sum(0)
    modes = (much[known & learnt].T @ heights[known & learnt]) / np.maximum(spread, 1e-12)[:, None]
    return np.concatenate([eased[:, :6], much], axis=1), Shape(middle, bumps, modes.reshape(MODES, -1, 2))


def heights_at(places: Float[np.ndarray, "P 2"], bumps: Float[np.ndarray, "G 3"]) -> Float[np.ndarray, "P G"]:
    """How high each bump is at places, which count from the body's middle: 1 on its top."""
    away = ((places[:, None] - bumps[:, :2]) ** 2).sum(-1)
    return np.exp(-away / (2 * bumps[:, 2] ** 2))


def _bumps_over(places: Float[np.ndarray, "C 2"]) -> Float[np.ndarray, "G 3"]:
    """Bumps on a grid that covers places."""
    low, high = places.min(0), places.max(0)
    columns, rows = (np.linspace(a, b, n) for a, b, n in zip(low, high, _GRID, strict=True))
    centres = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    width = max(float(((high - low) / (np.array(_GRID) - 1)).max()), 1e-6)
    return np.concatenate([centres, np.full((len(centres), 1), width)], axis=1)


def _follow(
    folder: DatasetFolder,
    rest: int,
    corners: Float[np.ndarray, "C 2"],
    places: Float[np.ndarray, "C 2"],
    bumps: Float[np.ndarray, "G 3"],
    lens: Float[np.ndarray, "3 3"],
    frames: range,
) -> Float[np.ndarray, "F 6+2*G"]:
    """The motion in consecutive frames, NaN where it is not told; each is looked for where the one before has been.

    Affine map, then the bumps' heights, x and y of each.
    """
    first, rows = _grey(folder, rest), _rows(places, bumps)
    found = np.full((len(frames), 2 * rows.shape[1]), np.nan)
    still = np.zeros((rows.shape[1], 2))
    last = still
    for number, i in enumerate(frames):
        there, body = _grey(folder, i), _within(folder, i) > 0
        for guess in (last, still) if last.any() else (last,):
            motion = _motion_between(first, there, body, corners, rows, lens, guess)
            if motion is not None:
                last = motion
                found[number] = np.concatenate([motion[0], (motion[1:3] / _unit(places)).T.ravel(), motion[3:].ravel()])
                break
    return found


def _motion_between(
    first: UInt8[np.ndarray, "H W"],
    there: UInt8[np.ndarray, "H W"],
    body: Bool[np.ndarray, "H W"],
    corners: Float[np.ndarray, "C 2"],
    rows: Float[np.ndarray, "C R"],
    lens: Float[np.ndarray, "3 3"],
    guess: Float[np.ndarray, "R 2"],
) -> Float[np.ndarray, "R 2"] | None:
    """The motion between two frames, in ``rows``; None where too few corners are found again."""
    focal = np.diag(lens)[:2]
    forth, ok = _followed(first, there, corners, corners + focal * (rows @ guess))
    back, again = _followed(there, first, forth, corners)
    x, y = np.rint(np.nan_to_num(forth)).astype(int).T
    height, width = body.shape
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    good = ok & again & inside & (np.linalg.norm(back - corners, axis=1) < _AGREE)
    good[inside] &= body[y[inside], x[inside]]
    if good.sum() < _LEAST:
        return None
    return _fit(rows[good], (forth - corners)[good] / focal, _AGREE / focal.mean())


def _followed(
    first: UInt8[np.ndarray, "H W"],
    second: UInt8[np.ndarray, "H W"],
    corners: Float[np.ndarray, "C 2"],
    expected: Float[np.ndarray, "C 2"],
) -> tuple[Float[np.ndarray, "C 2"], Bool[np.ndarray, "C"]]:
    """Where corners of the first picture are in the second, and whether they are found; begun where ``expected``."""
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        first,
        second,
        corners.astype(np.float32),
        expected.astype(np.float32),  # a copy, which is written to
        winSize=(_WINDOW, _WINDOW),
        maxLevel=_LEVELS,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(moved), np.asarray(found)[:, 0] > 0


def _unit(places: Float[np.ndarray, "C 2"]) -> float:
    return max(float(places.std()), 1e-9)


def _rows(places: Float[np.ndarray, "C 2"], bumps: Float[np.ndarray, "G 3"]) -> Float[np.ndarray, "C 3+G"]:
    """What a corner's motion is a linear combination of: shift, change of the plane, bumps."""
    return np.concatenate([np.ones((len(places), 1)), places / _unit(places), heights_at(places, bumps)], axis=1)


def _fit(rows: Float[np.ndarray, "C R"], moved: Float[np.ndarray, "C 2"], scale: float) -> Float[np.ndarray, "R 2"]:
    """What explains most of how corners have ``moved``, by least squares reweighted as Cauchy's."""
    stiff = np.full(rows.shape[1], _BUMP_STIFF)
    stiff[:3] = 1e-6, _STIFF, _STIFF
    weight, solution = np.ones(len(rows)), np.zeros((rows.shape[1], 2))
    for _ in range(_ROUNDS):
        normal = (rows * weight[:, None]).T @ rows + np.diag(stiff)
        solution = np.linalg.solve(normal, (rows * weight[:, None]).T @ moved)
        off = np.linalg.norm(moved - rows @ solution, axis=1) / scale
        weight = 1 / (1 + off**2)
    return solution


def _within(folder: DatasetFolder, i: int) -> UInt8[np.ndarray, "H W"]:
    """Pixels of a frame that are clothes, away from their outline."""
    classes = to_classes(read_picture(folder, folder.parsing_map(i), alpha=None)[..., :3])
    kernel = np.ones((2 * _WITHIN + 1,) * 2, np.uint8)
    return cv2.erode((classes == TORSO).astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE)


def _grey(folder: DatasetFolder, i: int) -> UInt8[np.ndarray, "H W"]:
    return cv2.cvtColor(read_picture(folder, folder.frame(i)), cv2.COLOR_RGB2GRAY)


_CAUSES = 6 * len(_SIGMAS)
_ARRAYS = {  # and their shapes
    **{"measured": (None, 6 + MODES), "middle": (2,), "bumps": (None, 3), "modes": (MODES, None, 2)},
    **{"weights": (_CAUSES + 1, 6 + MODES), "mean_pose": (3, 4)},
}


def _causes(viewmats: Float[np.ndarray, "N 4 4"], mean: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "N 18"]:
    """Turn (rad) and shift (decimetres) of the head from its mean, averaged over several times."""
    pose = _relative(viewmats, mean)
    return np.concatenate([gaussian_filter1d(pose, sigma, axis=0, mode="nearest") for sigma in _SIGMAS], axis=1)


def _relative(viewmats: Float[np.ndarray, "N 4 4"], mean: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "N 6"]:
    turned = viewmats[:, :3, :3] @ mean[:, :3].T
    return np.concatenate([rotations.log(turned), viewmats[:, :3, 3] - mean[:, 3]], axis=1)


def _mean_pose(viewmats: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "3 4"]:
    turn = rotations.mean(viewmats[:, :3, :3])
    return np.concatenate([turn, viewmats[:, :3, 3].mean(0)[:, None]], axis=1)


def _ridge(causes: Float[np.ndarray, "N 18"], wanted: Float[np.ndarray, "N 12"]) -> Float[np.ndarray, "19 12"]:
    """Weights of a linear regression, as stiff as predicts parts of the clip best that it has not learnt from."""
    folds = np.arange(len(causes)) * _FOLDS // len(causes)

    def error(ridge: float) -> float:
        total = 0.0
        for fold in range(_FOLDS):
            out = folds == fold
            if out.any() and (~out).sum() > FPS:
                total += float(
                    ((_predicted(causes[out], _fitted(causes[~out], wanted[~out], ridge)) - wanted[out]) ** 2).sum()
                )
        return total

    return _fitted(causes, wanted, min((*_RIDGES, 100.0), key=error))


def _fitted(causes: Float[np.ndarray, "N C"], wanted: Float[np.ndarray, "N K"], ridge: float) -> np.ndarray:
    mean, spread = causes.mean(0), np.maximum(causes.std(0), 1e-6)
    unit = (causes - mean) / spread
    slopes = np.linalg.solve(
        unit.T @ unit + ridge * len(unit) * np.eye(unit.shape[1]), unit.T @ (wanted - wanted.mean(0))
    )
    slopes /= spread[:, None]
    return np.concatenate([slopes, (wanted.mean(0) - mean @ slopes)[None]])


def _predicted(causes: Float[np.ndarray, "N C"], weights: np.ndarray) -> np.ndarray:
    return causes @ weights[:-1] + weights[-1]
