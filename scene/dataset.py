"""A dataset folder, ready to train from and to be driven: audio, eyes, poses, pictures."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.action_units import STRONGEST, read_action_unit_45
from data_utils.audio_features.feature_file import read_feature_file
from data_utils.frame_files import read_rgb
from data_utils.track_file import open_track
from scene.audio_window import audio_windows
from scene.backdrop import Backdrops
from scene.cameras import Camera, nerf_to_opencv
from scene.frames import Drive

CROP_MARGIN = 12  # pixels around the head's box
MOUTH, RIGHT_EYE, LEFT_EYE = slice(48, 68), slice(36, 42), slice(42, 48)  # of the 68 landmarks


@dataclass(frozen=True)
class Cut:
    """One frame within its head's box."""

    image: UInt8[np.ndarray, "H W 3"]  # the frame over the clean background
    background: UInt8[np.ndarray, "H W 3"]  # clean background with the torso over it
    head: Bool[np.ndarray, "H W"]


class TalkingHeadDataset:
    """The N frames of a dataset folder. Small things are read at once, pictures when asked for."""

    def __init__(self, root: Path | str) -> None:
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
        lost = self.folder.read_record().get("lost_frames")
        hidden = {i for i in lost if isinstance(i, int)} if isinstance(lost, list) else set()
        self.learnt = [i for i in self.train if i not in hidden] or list(self.train)  # the person is not in the others
        self.audio = read_features(self.folder.audio_features)[: self.num_frames]
        if len(self.audio) < self.num_frames:
            raise EGSTalkerError(
                f"{self.folder.audio_features} has {len(self.audio)} rows for {self.num_frames} frames; run --task 2"
            )
        blinks = read_action_unit_45(self.folder.action_units, self.num_frames)
        self.eyes = torch.from_numpy(blinks / STRONGEST)
        first = read_rgb(self.folder.ground_truth_image(0))
        self.height, self.width = first.shape[:2]
        poses = torch.tensor(np.array([entry["transform_matrix"] for entry in entries]), dtype=torch.float64)
        poses[:, :3, 3] *= _decimetres(self.folder.track_params, poses[:, :3, 3])
        self.camera = Camera.from_focal(
            nerf_to_opencv(poses).float(), train["focal_len"], self.width, self.height, train["cx"], train["cy"]
        )
        self.vertices, self.faces = _read_vertices(self.folder.track_params, self.num_frames)
        self._backdrops = Backdrops(self.folder)
        self._boxes: tuple[np.ndarray, tuple[int, int]] | None = None

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of one frame's audio features."""
        return tuple(self.audio.shape[1:])

    def drive(self, indices: Int[Tensor, "B"], window: int, camera: Camera | None = None) -> Drive:
        """What makes the head move in the given frames; ``camera`` replaces the whole picture's."""
        audio, frames = audio_windows(self.audio, indices, window)
        return Drive(audio, frames, self.eyes[indices][:, None], camera or self.camera[indices])

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

    def cut(self, i: int) -> Cut:
        """The pictures of frame ``i`` within its head's box, read from the files."""
        corners, (width, height) = self.head_boxes()
        x, y = corners[i]
        cut = (slice(y, y + height), slice(x, x + width))
        whole = read_rgb(self.folder.ground_truth_image(i))
        if whole.shape[:2] != (self.height, self.width):
            raise EGSTalkerError(f"{self.folder.ground_truth_image(i)} has another size than frame 0; run --task 6")
        return Cut(whole[cut], self._backdrops.compose(i)[cut], self.head_mask(i)[cut])

    def feature_boxes(self, i: int) -> Float[np.ndarray, "3 4"]:
        """Boxes (left, top, right, bottom) around mouth and eyes of frame ``i``, in pixels of its cut.

        They are a third larger than the landmarks' boxes, by at least six pixels on each side.
        """
        landmarks = read_landmarks(self.folder.landmarks(i)) - self.head_boxes()[0][i]
        return np.stack([_box(landmarks[part]) for part in (MOUTH, RIGHT_EYE, LEFT_EYE)]).astype(np.float32)


def read_features(path: Path) -> Float[Tensor, "N *D"]:
    """Audio features from a .npy file: [N, D] or [N, 16, 29], finite, float32.

    Raises EGSTalkerError for a missing or damaged file, pickled objects, or another shape.
    """
    return torch.from_numpy(read_feature_file(path))


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


def _read_vertices(path: Path, num_frames: int) -> tuple[Float[Tensor, "N V 3"], Int[Tensor, "F 3"]]:
    """Tracked face vertices (head frame; float16 or 32) and their triangles; without triangles in the file, none."""
    problem = EGSTalkerError(f"{path} is damaged; run preprocess.sh with --task 8")
    try:
        params = open_track(path)
        vertices = params["vertices"]
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
    if not vertices.is_floating_point() or not all(torch.isfinite(part).all() for part in vertices.split(256)):
        raise problem
    return vertices[:num_frames], faces


def _bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest connected region; the whole picture where there is none."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return 0, 0, mask.shape[1], mask.shape[0]
    x, y, w, h, _ = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
    return int(x), int(y), int(x + w), int(y + h)


def _box(points: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "4"]:
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum((high - low).max() / 6, 6)
    return np.concatenate([np.floor(np.maximum(low - margin, 0)), np.floor(np.maximum(high + margin, 0))])


def _decimetres(path: Path, positions: Float[Tensor, "N 3"]) -> float:
    """By what the transforms' camera positions are multiplied to have the track's unit.

    In the field's datasets, as in ours, transforms count metres and the track counts decimetres; how far the head is
    from the camera in both tells the factor. It is 1 where the track has no translations.
    """
    problem = EGSTalkerError(f"{path} is damaged; run preprocess.sh with --task 8")
    try:
        track = open_track(path)
        distance = float(track["trans"].double().norm(dim=1).median()) if "trans" in track else None
    except Exception as error:  # torch.load raises many types on damaged files
        raise problem from error
    if distance is None:
        return 1.0
    if not 0 < distance < math.inf:
        raise problem
    return distance / max(float(positions.norm(dim=1).median()), 1e-9)
