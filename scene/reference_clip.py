"""What a dataset lends a head that speaks: audio features, eyes, poses, backdrops."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from arguments.dataset_folder import DatasetFolder
from arguments.digest import sha256
from arguments.errors import EGSTalkerError
from data_utils.action_units import STRONGEST
from data_utils.audio_features.feature_file import clip_features
from data_utils.blinks import read_blinks
from data_utils.clip_sound import read_clip_sound
from data_utils.cures import cure, read_picture
from data_utils.track_file import decimetres_in, read_track
from data_utils.transforms_file import read_transforms
from data_utils.voice import loudness, speech_share
from data_utils.wholeness import FRAMES, READS, size_made_with
from scene.backdrop import Backdrops
from scene.cameras import Camera, nerf_to_opencv
from scene.clip import Clip
from scene.drive import Drive

logger = logging.getLogger(__name__)


class ReferenceClip(Clip):
    """The N frames of a dataset folder as they are borrowed; no picture but the first is read before it is asked for.

    Attributes, besides those of :class:`scene.clip.Clip`:
        folder: where it lies.
        audio: features [N, *D], one row a frame.
        track: what the tracker measured beside the poses.
    """

    def __init__(self, root: Path | str) -> None:
        """Raises EGSTalkerError, naming the task that mends it, where the folder is wrong, half made or damaged."""
        _check_whole(DatasetFolder(Path(root)))
        transforms = read_transforms(DatasetFolder(Path(root)))
        self.folder, self.root, self.num_frames = transforms.folder, transforms.folder.root, len(transforms)
        self.train = range(transforms.num_train)
        self.val = range(transforms.num_train, self.num_frames)
        self.lost, self.cuts = frozenset(self.folder.lost_frames()), frozenset(self.folder.scene_cuts())
        features, remark = clip_features(self.folder, self.folder.audio_features, self.num_frames)
        self.audio = torch.from_numpy(features)
        self.feature_shape, self.extractor = tuple(features.shape[1:]), self.folder.read_record().get("extractor")
        for line in (*transforms.remarks, *([remark] if remark else [])):
            logger.warning(line)
        self.eyes = torch.from_numpy(read_blinks(self.folder, self.num_frames) / STRONGEST)
        self.track = read_track(self.folder, self.num_frames)
        first = read_picture(self.folder, self.folder.ground_truth_image(0))
        self.height, self.width = first.shape[:2]
        poses = torch.tensor(transforms.matrices)
        poses[:, :3, 3] *= _decimetres(self.track.distance, poses[:, :3, 3])
        self.camera = Camera.from_focal(
            nerf_to_opencv(poses).float(), transforms.focal, self.width, self.height, *transforms.centre
        )
        self.backdrops = Backdrops(self.folder, size=(self.width, self.height))

    def poses_digest(self) -> str:
        """SHA-256 of transforms_train.json, which tells datasets apart wherever they lie."""
        return sha256(self.folder.transforms_train)

    def voice(self) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
        """See :class:`scene.clip.Clip`; of aud.wav, or silence where that is missing."""
        if not self.folder.audio.is_file():
            return np.zeros(self.num_frames), np.zeros(self.num_frames)
        samples = read_clip_sound(self.folder, self.num_frames)
        return speech_share(samples, self.num_frames).astype(np.float64), loudness(samples, self.num_frames)

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
    if not folder.frames.is_dir():
        raise EGSTalkerError(f"{folder.root} is not a whole dataset: ori_imgs is missing; {cure(folder, FRAMES.task)}")
    needed = {
        folder.audio_features: 2,
        folder.parsing: 4,
        folder.background: 5,
        folder.torso: 6,
        folder.ground_truth: 6,
        folder.blinks: 7,
        folder.track_params: 8,
        folder.transforms_train: 9,
        folder.transforms_val: 9,
    }
    for path, task in needed.items():
        if not path.exists():
            raise EGSTalkerError(f"{folder.root} is not a whole dataset: {path.name} is missing; {cure(folder, task)}")
    frame_size = size_made_with(folder, FRAMES.task)
    outdated = [task for task in READS if task > FRAMES.task and size_made_with(folder, task) != frame_size]
    if outdated:
        again = ", then ".join(f"with --task {task}" for task in outdated)
        raise EGSTalkerError(f"{folder.root} is made from frames of another size in part; run preprocess.sh {again}")


def _decimetres(distance: float | None, positions: Float[Tensor, "N 3"]) -> float:
    """By what the transforms' camera positions are multiplied to count decimetres.

    In the field's datasets, as in ours, transforms count metres; how far the head is from the camera in the track,
    whose unit is known, tells the factor. Without a track's word the distance itself tells the unit.
    """
    apart = float(positions.norm(dim=1).median())
    return decimetres_in(apart) if distance is None else distance / max(apart, 1e-9)
