"""What a dataset lends a head that speaks: audio features, eyes, poses, backdrops."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from arguments.dataset_folder import DatasetFolder
from arguments.digest import sha256
from arguments.errors import EGSTalkerError
from data_utils.action_units import STRONGEST, read_action_unit_45
from data_utils.audio_features.feature_file import read_feature_file
from data_utils.track_file import open_track
from media.images import read_rgb
from scene.backdrop import Backdrops
from scene.cameras import Camera, nerf_to_opencv
from scene.drive import Drive


class ReferenceClip:
    """The N frames of a dataset folder as they are borrowed; no picture but the first is read before it is asked for.

    Attributes:
        folder: where it lies.
        num_frames: N.
        train, val: the frames that heads learn from, and the held-out ones after them.
        lost: frames in which the person was not seen.
        cuts: frames at which a new shot begins.
        audio: features [N, *D], one row a frame.
        eyes: blink intensity [N], 0 (open) to 1.
        camera: N views of the whole picture; lengths in decimetres.
        width, height: of the pictures, pixels.
        backdrops: what is behind the head in each frame.
    """

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
        self.lost, self.cuts = frozenset(self.folder.lost_frames()), frozenset(self.folder.scene_cuts())
        self.audio = torch.from_numpy(read_feature_file(self.folder.audio_features))[: self.num_frames]
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
        self.backdrops = Backdrops(self.folder)

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of one frame's audio features."""
        return tuple(self.audio.shape[1:])

    def poses_digest(self) -> str:
        """SHA-256 of transforms_train.json, which tells datasets apart wherever they lie."""
        return sha256(self.folder.transforms_train)

    def usable(self, frames: Iterable[int]) -> list[int]:
        """Those of ``frames`` in which the person was seen; all of them where she was in none."""
        frames = list(frames)
        return [i for i in frames if i not in self.lost] or frames

    def usable_mask(self, frames: Iterable[int]) -> Bool[np.ndarray, "N"]:
        """Whether each of the clip's frames is among the :meth:`usable` of ``frames``."""
        mask = np.zeros(self.num_frames, dtype=bool)
        mask[self.usable(frames)] = True
        return mask

    def drive(
        self,
        signal: Float[Tensor, "{self.num_frames} *D"],
        frames: Int[Tensor, "B"],
        window: int,
        camera: Camera | None = None,
    ) -> Drive:
        """What makes the head move in its own ``frames``.

        Args:
            signal: what drives the face in every frame: expression codes, or :attr:`audio`.
            frames: numbers of the clip's frames.
            window: rows of the signal that a frame sees.
            camera: in place of the whole picture's.
        """
        return Drive.of(signal, frames, window, self.eyes[frames], camera or self.camera[frames])


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
