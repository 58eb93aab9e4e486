"""Which pixels of a dataset's frames are the head's."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8

from arguments.dataset_folder import DatasetFolder
from data_utils.cures import read_picture
from data_utils.face_parsing.classes import head_share


def read_head_mask(folder: DatasetFolder, i: int) -> Bool[np.ndarray, "H W"]:
    """Pixels of frame ``i`` that are the head's for the most part: face, hair and ears.

    Raises:
        EGSTalkerError: the parsing map is missing or damaged.
    """
    return read_head_share(folder, i) > 127


def read_head_share(folder: DatasetFolder, i: int) -> UInt8[np.ndarray, "H W"]:
    """How much of each pixel of frame ``i`` is the head's, 0 to 255: between them where hair lies on the shoulders.

    Raises:
        EGSTalkerError: the parsing map is missing or damaged.
    """
    return head_share(read_picture(folder, folder.parsing_map(i), alpha=None))
