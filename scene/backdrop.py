"""What is behind the head: each reference frame's torso over the clean background, read when it is needed."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from jaxtyping import UInt8

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.frame_files import read_rgb, read_rgba


class Backdrops:
    """Pictures [H, W, 3] (RGB) of a data set's torso over its background, by frame number.

    The latest ``capacity`` pictures are kept: going back and forth over the clip meets them again at the turn.

    Raises:
        EGSTalkerError: the clean background is missing or damaged; :meth:`__getitem__` the same for a torso.
    """

    def __init__(self, folder: DatasetFolder, *, capacity: int = 64) -> None:
        self.folder = folder
        self.capacity = capacity
        self._background = read_rgb(folder.background).astype(np.uint16)
        self._kept: OrderedDict[int, UInt8[np.ndarray, "H W 3"]] = OrderedDict()

    def __getitem__(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        if i in self._kept:
            self._kept.move_to_end(i)
            return self._kept[i]
        picture = self.compose(i)
        self._kept[i] = picture
        if len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return picture

    def compose(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        """The picture, read now; several threads may ask at once."""
        path = self.folder.torso_image(i)
        torso = read_rgba(path)
        if torso.shape[:2] != self._background.shape[:2]:
            raise EGSTalkerError(f"{path} and {self.folder.background} differ in size; run preprocess.sh again")
        alpha = torso[..., 3:].astype(np.uint16)
        return ((torso[..., :3] * alpha + self._background * (255 - alpha) + 127) // 255).astype(np.uint8)
