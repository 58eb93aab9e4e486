"""Which pixels of a dataset's frames are the head's, and which the person's."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from arguments.dataset_folder import DatasetFolder
from data_utils.cures import read_picture
from data_utils.face_parsing.classes import BACKGROUND, head_share, to_classes


def read_head_share(folder: DatasetFolder, i: int) -> UInt8[np.ndarray, "H W"]:
    """How much of each pixel of frame ``i`` is the head's, 0 to 255: between them where hair lies on the shoulders.

    Raises:
        EGSTalkerError: the parsing map is missing or damaged.
    """
    return head_share(read_picture(folder, folder.parsing_map(i), alpha=None))


def read_person(folder: DatasetFolder, i: int) -> UInt8[np.ndarray, "H W"]:
    """Where the person is in frame ``i``, head, neck and torso: 255, elsewhere 0.

    Raises:
        EGSTalkerError: the parsing map is missing or damaged.
    """
    classes = to_classes(read_picture(folder, folder.parsing_map(i), alpha=None)[..., :3])
    return np.where(classes == BACKGROUND, np.uint8(0), np.uint8(255))
