"""What is behind the head: each reference frame's torso over the clean background, read when it is needed."""

from __future__ import annotations

import threading
from collections import OrderedDict

import cv2
import numpy as np
from jaxtyping import UInt8

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.cures import picture_cure, read_picture
from data_utils.inpaint import fill_from_nearest
from kernels.table import served

_TINGED = 2  # pixels within the torso's rim, where its colours are mixed with what was behind it


class Backdrops:
    """Pictures [H, W, 3] (RGB) of a data set's torso over its background, by frame number.

    The latest ``capacity`` pictures are kept: a head that is held still stands before one of them all the time. Several
    threads may ask at once.

    Attributes:
        background: the clean background alone [H, W, 3].

    Args:
        folder: of the data set.
        size: width and height, pixels; a background of another size, as some programs leave it, is brought to it.
        capacity: pictures kept.

    Raises:
        EGSTalkerError: the clean background is missing or damaged; :meth:`__getitem__` the same for a torso.
    """

    def __init__(self, folder: DatasetFolder, *, size: tuple[int, int] | None = None, capacity: int = 64) -> None:
        self.folder = folder
        self.capacity = capacity
        background = read_picture(folder, folder.background)
        if size is not None and background.shape[1::-1] != size:
            background = cv2.resize(background, size, interpolation=cv2.INTER_AREA)
        self.background = np.ascontiguousarray(background)
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, UInt8[np.ndarray, "H W 3"]] = OrderedDict()

    def __getitem__(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        with self._lock:
            if i in self._kept:
                self._kept.move_to_end(i)
                return self._kept[i]
        picture = self.compose(i)
        with self._lock:
            self._kept[i] = picture
            if len(self._kept) > self.capacity:
                self._kept.popitem(last=False)
        return picture

    def compose(self, i: int, behind: UInt8[np.ndarray, "H W 3"] | None = None) -> UInt8[np.ndarray, "H W 3"]:
        """The picture, read now: the torso over the clean background, or over another, ``behind``."""
        picture = np.empty_like(self.background)
        torso, back = (self.torso(i), self.background) if behind is None else (self.cut_out(i), behind)
        over(torso, back, picture)
        return picture

    def cut_out(self, i: int) -> UInt8[np.ndarray, "H W 4"]:
        """The torso for other backgrounds, RGBA: its rim, which the clip's own tinges, in the colours beside it."""
        torso = self.torso(i)
        opaque = (torso[..., 3] == 255).astype(np.uint8)
        inner = cv2.erode(opaque, np.ones((2 * _TINGED + 1,) * 2, np.uint8)) > 0
        if inner.any():
            rim = (torso[..., 3] > 0) & ~inner
            torso[rim, :3] = fill_from_nearest(torso[..., :3], inner)[rim]
        return torso

    def torso(self, i: int) -> UInt8[np.ndarray, "H W 4"]:
        """The torso alone, RGBA, as it is in the data set."""
        path = self.folder.torso_image(i)
        torso = read_picture(self.folder, path, alpha=True)
        if torso.shape[:2] != self.background.shape[:2]:
            raise EGSTalkerError(
                f"{path} and {self.folder.background} differ in size; {picture_cure(self.folder, path)}"
            )
        return torso


@served
def over(
    front: UInt8[np.ndarray, "H W 4"], back: UInt8[np.ndarray, "H W 3"], picture: UInt8[np.ndarray, "H W 3"]
) -> None:
    """Write ``front`` (RGBA) over ``back`` (RGB), rounded, into ``picture``."""
    alpha = front[..., 3:].astype(np.uint32)
    picture[:] = (front[..., :3] * alpha + back * (255 - alpha) + 127) // 255
