"""What the truth of a sample's film says of the frames of a dataset that was made of it: at 25 fps, in its crop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.spatial.transform import Rotation

from arguments.clock import FPS
from arguments.dataset_folder import DatasetFolder

LATEST = 0.5 / FPS  # s into a frame's 40 ms, before which the picture begins that it shows: see media.video.read_frames


@dataclass(frozen=True)
class SampleTruth:
    """N frames of a dataset. The camera is turned to the crop's middle, as its reader takes it to be."""

    rotation: Float[np.ndarray, "N 3 3"]  # head -> that camera
    corners: Float[np.ndarray, "N 8 2"]  # of a box about the head, pixels of the dataset's frames
    eye_open: Float[np.ndarray, "N"]  # 0..1
    present: Bool[np.ndarray, "N"]  # the person is shown
    covered: Bool[np.ndarray, "N"]  # a hand hides a part of the face
    masks: UInt8[np.ndarray, "N H W"]  # of the film, uncropped: 0 background, 1 head, 2 neck, 3 torso, 4 hand
    background: UInt8[np.ndarray, "H W 3"] | None  # of the film, uncropped; None where the light changes
    crop: tuple[int, int, int]  # left, top and side in the film
    size: int  # of the dataset's frames, pixels

    def labels(self, i: int) -> UInt8[np.ndarray, "S S"]:
        """What is where in the frame ``i`` of the dataset."""
        return self._cut(self.masks[i], cv2.INTER_NEAREST)

    def room(self) -> UInt8[np.ndarray, "S S 3"] | None:
        """The room without the person, as the dataset's frames show it."""
        return None if self.background is None else self._cut(self.background, cv2.INTER_AREA)

    def _cut(self, picture: UInt8[np.ndarray, "H W *C"], interpolation: int) -> UInt8[np.ndarray, "S S *C"]:
        left, top, side = self.crop
        return cv2.resize(
            picture[top : top + side, left : left + side], (self.size, self.size), interpolation=interpolation
        )


def read_sample_truth(path: Path, folder: DatasetFolder) -> SampleTruth:
    """The truth that ``sample.make_sample`` wrote to ``path``, for the dataset that was made of its film."""
    record = folder.read_record()
    with np.load(path) as arrays:
        film = dict(arrays)
    shown = np.searchsorted(film["times"], np.arange(record["num_frames"]) / FPS + LATEST, "left") - 1
    height, width = film["mask"].shape[1:]
    left, top, side = record.get("crop", (0, 0, width))
    focal = float(film["focal"])
    middle = np.array([left + side / 2 - width / 2, height / 2 - top - side / 2, -focal])  # the ray to it
    turn = Rotation.align_vectors([[0.0, 0.0, -1.0]], [middle / np.linalg.norm(middle)])[0].as_matrix()
    points = HEAD_BOX @ np.swapaxes(film["rotation"], 1, 2) + film["translation"][:, None]
    x, y, z = np.moveaxis(points, -1, 0)
    pixels = np.stack([width / 2 - focal * x / z - left, height / 2 + focal * y / z - top], -1)
    return SampleTruth(
        rotation=(turn @ film["rotation"])[shown],
        corners=(pixels * record["size"] / side)[shown],
        eye_open=film["eye_open"][shown],
        present=film["present"][shown],
        covered=film["covered"][shown],
        masks=film["mask"][shown],
        background=film.get("background"),
        crop=(left, top, side),
        size=record["size"],
    )


HEAD_BOX = np.stack(np.meshgrid((-0.7, 0.7), (-0.85, 1.1), (-0.7, 0.9), indexing="ij"), -1).reshape(8, 3)
"""Corners of a box about the head, in its frame, dm."""
