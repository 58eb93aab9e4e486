"""A dataset folder, ready to train from: what a film borrows of it, and what only a training looks at."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from arguments.errors import EGSTalkerError
from data_utils.cures import picture_cure, read_picture
from data_utils.landmark_file import read_landmarks
from data_utils.lost_frames import interpolate_lost
from data_utils.track_file import check_finite
from imaging.boxes import LEFT_EYE, MOUTH, RIGHT_EYE, Box, crop_margin, feature_box, head_region
from imaging.masks import read_head_share, read_person
from imaging.matte import matted
from scene.reference_clip import ReferenceClip
from training.landmark_surface import landmark_surface


@dataclass(frozen=True)
class CroppedFrame:
    """One frame within its head's box; whole in :class:`WholePerson`."""

    image: UInt8[np.ndarray, "H W 3"]  # the frame over the clean background
    background: UInt8[np.ndarray, "H W 3"]  # clean background with the torso over it; without in WholePerson
    head: UInt8[np.ndarray, "H W"]  # the head's share of each pixel, 0 to 255; the person's in WholePerson


class TalkingHeadDataset(ReferenceClip):
    """A clip with its tracked face, its masks, and crops of its pictures.

    Attributes:
        vertices: of the tracked face [N, V, 3] (head frame, decimetres; float16 or 32), mapped from the disk; where the
            track has none, the landmarks, brought onto a face's surface.
        faces: their triangles [F, 3]; none where the track has vertices and none.
    """

    def __init__(self, root: Path | str) -> None:
        """Raises EGSTalkerError, naming the task that mends it, where the folder is wrong, half made or damaged."""
        super().__init__(root)
        check_finite(self.folder, self.track.vertices)
        self.vertices, self.faces = self._surface()
        self._boxes: tuple[Int[np.ndarray, "N 2"], tuple[int, int]] | None = None

    def _surface(self) -> tuple[Float[Tensor, "N V 3"], Int[Tensor, "F 3"]]:
        if self.track.vertices is not None:
            return self.track.vertices, self.track.faces
        landmarks = np.stack([read_landmarks(self.folder, i) for i in range(self.num_frames)])
        return landmark_surface(self.camera, landmarks, super().usable(self.train))

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
        """Pixels that are the head's for the most part; raises as :meth:`head_share` does."""
        return self.head_share(i) > 127

    def head_share(self, i: int) -> UInt8[np.ndarray, "H W"]:
        """How much of each pixel is the head's, 0 to 255.

        Raises EGSTalkerError for a missing or damaged parsing map or one of another size.
        """
        share = read_head_share(self.folder, i)
        if share.shape != (self.height, self.width):
            raise self._of_another_size(self.folder.parsing_map(i))
        return share

    def head_boxes(self) -> tuple[Int[np.ndarray, "N 2"], tuple[int, int]]:
        """Top left corners [N, 2] (x, y) and the one size (width, height) of boxes around every frame's head.

        Frames that are not usable have no say in the size; their boxes lie between those of the frames around them.
        """
        if self._boxes is None:
            boxes, _ = self._heads
            seen = self.usable_mask(range(self.num_frames))
            margin = crop_margin(self.width, self.height)
            sides = np.percentile((boxes[:, 2:] - boxes[:, :2])[seen], 99.0, axis=0) + 2 * margin
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
            regions = list(pool.map(lambda i: head_region(self.head_share(i) > 0), range(self.num_frames)))
        boxes = (region or Box(0, 0, self.width, self.height) for region in regions)
        return np.array([astuple(box) for box in boxes]), np.array([region is not None for region in regions])

    def crop(self, i: int) -> CroppedFrame:
        """The pictures of frame ``i`` within its head's box, read from the files."""
        corners, (width, height) = self.head_boxes()
        x, y = corners[i]
        inside = (slice(y, y + height), slice(x, x + width))
        picture, behind = self._truth(i)[inside], self.backdrops.compose(i)[inside]
        return CroppedFrame(picture, behind, matted(self.head_share(i)[inside], picture, behind, self.width))

    def _truth(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        """The frame over the clean background."""
        path = self.folder.ground_truth_image(i)
        picture = read_picture(self.folder, path)
        if picture.shape[:2] != (self.height, self.width):
            raise self._of_another_size(path)
        return picture

    def _of_another_size(self, path: Path) -> EGSTalkerError:
        return EGSTalkerError(f"{path} has another size than frame 0; {picture_cure(self.folder, path)}")

    def feature_boxes(self, i: int) -> Float[np.ndarray, "3 4"]:
        """Boxes (left, top, right, bottom) around mouth and eyes of frame ``i``, in pixels of its crop.

        They are a third larger than the landmarks' boxes, by at least six pixels on each side.
        """
        landmarks = read_landmarks(self.folder, i) - self.head_boxes()[0][i]
        return np.stack([feature_box(landmarks[part]) for part in (MOUTH, RIGHT_EYE, LEFT_EYE)]).astype(np.float32)


class WholePerson(TalkingHeadDataset):
    """The same clip, its frames uncut: what is learnt of them is the whole person, over the clean background."""

    def head_boxes(self) -> tuple[Int[np.ndarray, "N 2"], tuple[int, int]]:
        """The whole picture in every frame."""
        return np.zeros((self.num_frames, 2), np.int64), (self.width, self.height)

    def crop(self, i: int) -> CroppedFrame:
        """The pictures of frame ``i``, read from the files."""
        picture = self._truth(i)
        room = self.backdrops.background
        return CroppedFrame(picture, room, matted(read_person(self.folder, i), picture, room, self.width))
