"""What is behind the head: each reference frame's torso over the clean background, read when it is needed."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError


class Backdrops:
    """Pictures [H, W, 3] (RGB) of a data set's torso over its background, by frame number.

    The latest ``capacity`` pictures are kept: going back and forth over the clip meets them again at the turn.

    Raises:
        EGSTalkerError: the clean background is missing or damaged; :meth:`__getitem__` the same for a torso.
    """

    def __init__(self, folder: DatasetFolder, *, capacity: int = 64) -> None:
        self.folder = folder
        self.capacity = capacity
        self._background = _read(folder.background, channels=3, task=5).astype(np.uint16)
        self._kept: OrderedDict[int, UInt8[np.ndarray, "H W 3"]] = OrderedDict()

    def __getitem__(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        if i in self._kept:
            self._kept.move_to_end(i)
            return self._kept[i]
        picture = self._compose(i)
        self._kept[i] = picture
        if len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return picture

    def _compose(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        path = self.folder.torso_image(i)
        torso = _read(path, channels=4, task=6)
        if torso.shape[:2] != self._background.shape[:2]:
            raise EGSTalkerError(f"{path} and {self.folder.background} differ in size; run preprocess.sh again")
        alpha = torso[..., 3:].astype(np.uint16)
        return ((torso[..., :3] * alpha + self._background * (255 - alpha) + 127) // 255).astype(np.uint8)


def _read(path: Path, channels: int, task: int) -> UInt8[np.ndarray, "H W C"]:
    try:
        encoded = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise EGSTalkerError(f"{path} is missing: run preprocess.sh with --task {task}") from error
    flag = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_UNCHANGED
    picture = cv2.imdecode(encoded, flag) if encoded.size else None
    if picture is None or picture.shape[2:] != (channels,) or picture.dtype != np.uint8:
        raise EGSTalkerError(f"{path} is damaged: delete it and run preprocess.sh with --task {task}")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGBA)
