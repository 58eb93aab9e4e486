"""A dataset folder, ready to train from and to be driven: audio, eyes, poses, pictures."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.frame_files import read_rgb
from scene.audio_window import audio_windows
from scene.backdrop import Backdrops
from scene.cameras import Camera, nerf_to_opencv
from scene.frames import Drive, FrameBatch

CROP_MARGIN = 12  # pixels around the head's box
CACHE_BYTES = 3 << 30  # decoded pictures kept in memory


@dataclass(frozen=True)
class _Pictures:
    """One frame's crops, uint8."""

    image: np.ndarray  # [H, W, 3]
    background: np.ndarray  # [H, W, 3]
    head: np.ndarray  # [H, W] bool
    landmarks: np.ndarray  # [68, 2] pixels of the crop


class TalkingHeadDataset:
    """The N frames of a dataset folder. Small things are read at once, pictures when asked for."""

    def __init__(self, root: Path | str, *, cache_bytes: int = CACHE_BYTES) -> None:
        """Raises EGSTalkerError, naming the task that mends it, where the folder is wrong, half made or damaged."""
        self.folder = DatasetFolder(Path(root))
        _check_whole(self.folder)
        train, val = _read_transforms(self.folder.transforms_train), _read_transforms(self.folder.transforms_val)
        entries = sorted(train["frames"] + val["frames"], key=lambda entry: entry["img_id"])
        self.num_frames = len(entries)
        if [entry["img_id"] for entry in entries] != list(range(self.num_frames)):
            raise EGSTalkerError(f"{self.folder.root}: transforms do not number the frames from 0; run --task 9")
        self.train = range(len(train["frames"]))
        self.val = range(len(train["frames"]), self.num_frames)
        self.audio = read_features(self.folder.audio_features)[: self.num_frames]
        if len(self.audio) < self.num_frames:
            raise EGSTalkerError(
                f"{self.folder.audio_features} has {len(self.audio)} rows for {self.num_frames} frames; run --task 2"
            )
        self.eyes = _read_blinks(self.folder.action_units, self.num_frames)
        first = read_rgb(self.folder.ground_truth_image(0))
        self.height, self.width = first.shape[:2]
        poses = torch.tensor(np.array([entry["transform_matrix"] for entry in entries]), dtype=torch.float64)
        self.camera = Camera.from_focal(
            nerf_to_opencv(poses).float(), train["focal_len"], self.width, self.height, train["cx"], train["cy"]
        )
        self.vertices, self.faces = _read_vertices(self.folder.track_params, self.num_frames)
        self._backdrops = Backdrops(self.folder, capacity=1)
        self._cache: OrderedDict[int, _Pictures] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._boxes: tuple[np.ndarray, tuple[int, int]] | None = None

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of one frame's audio features."""
        return tuple(self.audio.shape[1:])

    def drive(self, indices: Int[Tensor, "B"], window: int, camera: Camera | None = None) -> Drive:
        """What makes the head move in the given frames; ``camera`` replaces the whole picture's."""
        audio, frames = audio_windows(self.audio, indices, window)
        return Drive(audio, frames, self.eyes[indices][:, None], camera or self.camera[indices])

    def batch(self, indices: Sequence[int], window: int) -> FrameBatch:
        """Frames cut to their head boxes, all of one size."""
        which = torch.as_tensor(list(indices), dtype=torch.long)
        corners, (width, height) = self.head_boxes()
        pictures = [self._pictures(int(i)) for i in which]
        camera = self.camera[which]
        corner = torch.from_numpy(corners[which.numpy()])
        intrinsics = camera.intrinsics.clone()
        intrinsics[:, :2, 2] -= corner
        camera = Camera(camera.viewmats, intrinsics, width, height)
        return FrameBatch(
            index=which,
            drive=self.drive(which, window, camera),
            image=_floats([p.image for p in pictures]),
            background=_floats([p.background for p in pictures]),
            head=torch.from_numpy(np.stack([p.head for p in pictures])),
            mouth=_boxes([(p.landmarks[48:68],) for p in pictures], width, height),
            eyes=_boxes([(p.landmarks[36:42], p.landmarks[42:48]) for p in pictures], width, height),
            corner=corner,
        )

    def head_mask(self, i: int) -> np.ndarray:
        """Pixels [H, W] (bool) that parsing calls head."""
        parsing = read_rgb(self.folder.parsing_map(i))
        return (parsing[..., 2] > 127) & (parsing[..., 0] < 128) & (parsing[..., 1] < 128)

    def head_boxes(self) -> tuple[np.ndarray, tuple[int, int]]:
        """Top left corners [N, 2] (x, y) and the one size (width, height) of boxes around every frame's head."""
        if self._boxes is None:
            with ThreadPoolExecutor(2) as pool:
                boxes = np.array(list(pool.map(lambda i: _bounding_box(self.head_mask(i)), range(self.num_frames))))
            sides = np.percentile(boxes[:, 2:] - boxes[:, :2], 99.0, axis=0) + 2 * CROP_MARGIN
            limit = np.array([self.width, self.height])
            size = np.minimum(np.ceil(sides / 16) * 16, limit).astype(int)
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            corners = np.clip(np.round(centres - size / 2), 0, limit - size).astype(np.int64)
            self._boxes = corners, (int(size[0]), int(size[1]))
        return self._boxes

    def _pictures(self, i: int) -> _Pictures:
        if i in self._cache:
            self._cache.move_to_end(i)
            return self._cache[i]
        corners, (width, height) = self.head_boxes()
        x, y = corners[i]
        cut = (slice(y, y + height), slice(x, x + width))
        whole = read_rgb(self.folder.ground_truth_image(i))
        if whole.shape[:2] != (self.height, self.width):
            raise EGSTalkerError(f"{self.folder.ground_truth_image(i)} has another size than frame 0; run --task 6")
        landmarks = read_landmarks(self.folder.landmarks(i)) - corners[i]
        # a cut is a view: copied, so that the whole picture is let go
        pictures = _Pictures(
            whole[cut].copy(), self._backdrops[i][cut].copy(), self.head_mask(i)[cut].copy(), landmarks
        )
        self._cache[i] = pictures
        if len(self._cache) * 7 * width * height > self._cache_bytes:
            self._cache.popitem(last=False)
        return pictures


def read_features(path: Path) -> Float[Tensor, "N *D"]:
    """Audio features from a .npy file: [N, D] or [N, 16, 29], finite, float32.

    Raises EGSTalkerError for a missing or damaged file, pickled objects, or another shape.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise EGSTalkerError(f"{path} is missing; run preprocess.sh with --task 2") from None
    except (ValueError, OSError, EOFError) as error:
        raise EGSTalkerError(f"{path} is not an array of audio features; make it again") from error
    if not isinstance(values, np.ndarray) or values.ndim not in (2, 3) or 0 in values.shape or values.dtype.kind != "f":
        raise EGSTalkerError(f"{path} does not hold [N, D] or [N, 16, 29] floats; make it again")
    if not np.isfinite(values).all():
        raise EGSTalkerError(f"{path} holds values that are not finite; make it again")
    return torch.from_numpy(values.astype(np.float32))


def read_landmarks(path: Path) -> Float[np.ndarray, "68 2"]:
    """68 landmarks (x y per line, pixels). Raises EGSTalkerError for a missing or damaged file."""
    try:
        points = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except OSError as error:
        raise EGSTalkerError(f"{path} is missing: run preprocess.sh with --task 7") from error
    except ValueError as error:
        raise EGSTalkerError(f"{path} holds no landmarks: delete it and run preprocess.sh with --task 7") from error
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise EGSTalkerError(f"{path} holds no 68 landmarks: delete it and run preprocess.sh with --task 7")
    return points


def _check_whole(folder: DatasetFolder) -> None:
    if not folder.root.is_dir():
        raise EGSTalkerError(f"there is no dataset folder {folder.root}; make it with ./preprocess.sh VIDEO.mp4")
    needed = {
        folder.audio_features: 2,
        folder.frames: 3,
        folder.parsing: 4,
        folder.background: 5,
        folder.torso: 6,
        folder.ground_truth: 6,
        folder.action_units: 7,
        folder.track_params: 8,
        folder.transforms_train: 9,
        folder.transforms_val: 9,
    }
    for path, task in needed.items():
        if not path.exists():
            raise EGSTalkerError(
                f"{folder.root} is not a whole dataset: {path.name} is missing; run preprocess.sh with --task {task}"
            )


def _read_transforms(path: Path) -> dict[str, Any]:
    problem = EGSTalkerError(f"{path} is damaged; run preprocess.sh with --task 9")
    try:
        value = json.loads(path.read_text())
        frames: list[dict[str, Any]] = [
            {"img_id": int(entry["img_id"]), "transform_matrix": np.asarray(entry["transform_matrix"], np.float64)}
            for entry in value["frames"]
        ]
        numbers = {name: float(value[name]) for name in ("focal_len", "cx", "cy")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise problem from error
    finite = all(f["transform_matrix"].shape == (4, 4) and np.isfinite(f["transform_matrix"]).all() for f in frames)
    if not (frames and finite and all(map(math.isfinite, numbers.values())) and numbers["focal_len"] > 0):
        raise problem
    return {"frames": frames, **numbers}


def _read_blinks(path: Path, num_frames: int) -> Float[Tensor, "N"]:
    """AU45_r of OpenFace (0..5) as 0..1; a file that is a few frames short repeats its last value."""
    try:
        table = pd.read_csv(path, skipinitialspace=True)
        table.columns = [str(name).strip() for name in table.columns]
        values = pd.to_numeric(table["AU45_r"], errors="raise").to_numpy(np.float64)
    except (OSError, ValueError, KeyError, pd.errors.ParserError) as error:
        raise EGSTalkerError(f"{path} has no column AU45_r of numbers; run preprocess.sh with --task 7") from error
    if len(values) < num_frames * 0.95 or not np.isfinite(values).all():
        raise EGSTalkerError(f"{path} has {len(values)} usable rows for {num_frames} frames; run --task 7")
    padded = np.concatenate([values, np.full(max(0, num_frames - len(values)), values[-1])])[:num_frames]
    return torch.from_numpy(np.clip(padded / 5.0, 0.0, 1.0).astype(np.float32))


def _read_vertices(path: Path, num_frames: int) -> tuple[Float[Tensor, "N V 3"], Int[Tensor, "F 3"]]:
    """Tracked face vertices (head frame) and their triangles; without triangles in the file, none [0, 3]."""
    problem = EGSTalkerError(f"{path} is damaged; run preprocess.sh with --task 8")
    try:
        params = torch.load(path, map_location="cpu", weights_only=True)
        vertices = params["vertices"].float()
        faces = params["faces"].long() if "faces" in params else torch.zeros(0, 3, dtype=torch.long)
    except Exception as error:  # torch.load raises many types on damaged files
        raise problem from error
    if vertices.ndim != 3 or vertices.shape[0] < num_frames or vertices.shape[2] != 3 or vertices.shape[1] < 4:
        raise problem
    if (
        faces.ndim != 2
        or faces.shape[1] != 3
        or (len(faces) and not 0 <= faces.min() <= faces.max() < vertices.shape[1])
    ):
        raise problem
    if not torch.isfinite(vertices).all():
        raise problem
    return vertices[:num_frames], faces


def _bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest connected region; the whole picture where there is none."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return 0, 0, mask.shape[1], mask.shape[0]
    x, y, w, h, _ = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
    return int(x), int(y), int(x + w), int(y + h)


def _boxes(groups: list[tuple[np.ndarray, ...]], width: int, height: int) -> Bool[Tensor, "B H W"]:
    """Boxes around groups of landmarks, a third larger than they are, at least six pixels on each side."""
    mask = np.zeros((len(groups), height, width), dtype=bool)
    for picture, boxes in zip(mask, groups, strict=True):
        for points in boxes:
            low, high = points.min(axis=0), points.max(axis=0)
            margin = np.maximum((high - low).max() / 6, 6)
            (x0, y0), (x1, y1) = np.maximum(low - margin, 0).astype(int), np.maximum(high + margin, 0).astype(int)
            picture[y0:y1, x0:x1] = True
    return torch.from_numpy(mask)


def _floats(pictures: list[np.ndarray]) -> Float[Tensor, "B H W 3"]:
    return torch.from_numpy(np.stack(pictures)).float().div_(255)
