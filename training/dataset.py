"""A dataset folder, ready to train from: what a film borrows of it, and what only a training looks at."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from arguments.errors import EGSTalkerError
from data_utils.landmark_file import read_landmarks
from data_utils.lost_frames import interpolate_lost
from data_utils.track_file import open_track
from imaging.boxes import CROP_MARGIN, LEFT_EYE, MOUTH, RIGHT_EYE, Box, feature_box, head_region
from imaging.masks import read_head_mask
from media.images import read_rgb
from scene.reference_clip import ReferenceClip


@dataclass(frozen=True)
class CroppedFrame:
    """One frame within its head's box."""

    image: UInt8[np.ndarray, "H W 3"]  # the frame over the clean background
    background: UInt8[np.ndarray, "H W 3"]  # clean background with the torso over it
    head: Bool[np.ndarray, "H W"]


class TalkingHeadDataset(ReferenceClip):
    """A clip with its tracked face, its masks, and crops of its pictures.

    Attributes:
        vertices: of the tracked face [N, V, 3] (head frame, decimetres; float16 or 32), mapped from the disk.
        faces: their triangles [F, 3]; none where the track has none.
    """

    def __init__(self, root: Path | str) -> None:
        """Raises EGSTalkerError, naming the task that mends it, where the folder is wrong, half made or damaged."""
        super().__init__(root)
        self.vertices, self.faces = _read_vertices(self.folder.track_params, self.num_frames)
        self._boxes: tuple[Int[np.ndarray, "N 2"], tuple[int, int]] | None = None

    def usable(self, frames: Iterable[int]) -> list[int]:
        """Those of ``frames`` in which the person was seen and parsing found a head; all of them where it is in none.

        Datasets of other programs do not say which frames are lost: their masks do. Reads every frame's, once.
        """
        seen, (_, has_head) = super().usable(frames), self._heads
        return [i for i in seen if has_head[i]] or seen

    @cached_property
    def learnt(self) -> list[int]:
        """The usable training frames: all that a head is fitted to comes from them."""
        return self.usable(self.train)

    def head_mask(self, i: int) -> Bool[np.ndarray, "H W"]:
        """Pixels that parsing calls head."""
        return read_head_mask(self.folder, i)

    def head_boxes(self) -> tuple[Int[np.ndarray, "N 2"], tuple[int, int]]:
        """Top left corners [N, 2] (x, y) and the one size (width, height) of boxes around every frame's head.

        Frames that are not usable have no say in the size; their boxes lie between those of the frames around them.
        """
        if self._boxes is None:
            boxes, _ = self._heads
            seen = self.usable_mask(range(self.num_frames))
            sides = np.percentile((boxes[:, 2:] - boxes[:, :2])[seen], 99.0, axis=0) + 2 * CROP_MARGIN
            limit = np.array([self.width, self.height])
            size = np.minimum(np.ceil(sides / 16) * 16, limit).astype(int)
            centres = interpolate_lost((boxes[:, :2] + boxes[:, 2:]) / 2, seen)
            corners = np.clip(np.round(centres - size / 2), 0, limit - size).astype(np.int64)
            self._boxes = corners, (int(size[0]), int(size[1]))
        return self._boxes

    @cached_property
    def _heads(self) -> tuple[Int[np.ndarray, "N 4"], Bool[np.ndarray, "N"]]:
        """The box (left, top, right, bottom) around every frame's head, and whether parsing found one there."""

        with ThreadPoolExecutor(2) as pool:
            regions = list(pool.map(lambda i: head_region(self.head_mask(i)), range(self.num_frames)))
        boxes = (region or Box(0, 0, self.width, self.height) for region in regions)
        return np.array([astuple(box) for box in boxes]), np.array([region is not None for region in regions])

    def crop(self, i: int) -> CroppedFrame:
        """The pictures of frame ``i`` within its head's box, read from the files."""
        corners, (width, height) = self.head_boxes()
        x, y = corners[i]
        inside = (slice(y, y + height), slice(x, x + width))
        whole = read_rgb(self.folder.ground_truth_image(i))
        if whole.shape[:2] != (self.height, self.width):
            raise EGSTalkerError(f"{self.folder.ground_truth_image(i)} has another size than frame 0; run --task 6")
        return CroppedFrame(whole[inside], self.backdrops.compose(i)[inside], self.head_mask(i)[inside])

    def feature_boxes(self, i: int) -> Float[np.ndarray, "3 4"]:
        """Boxes (left, top, right, bottom) around mouth and eyes of frame ``i``, in pixels of its crop.

        They are a third larger than the landmarks' boxes, by at least six pixels on each side.
        """
        landmarks = read_landmarks(self.folder.landmarks(i)) - self.head_boxes()[0][i]
        return np.stack([feature_box(landmarks[part]) for part in (MOUTH, RIGHT_EYE, LEFT_EYE)]).astype(np.float32)


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
