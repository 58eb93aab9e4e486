"""Which pixels of a dataset's frames are the head's."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from arguments.dataset_folder import DatasetFolder
from data_utils.cures import read_picture
from data_utils.face_parsing.classes import HEAD, to_classes


def read_head_mask(folder: DatasetFolder, i: int) -> Bool[np.ndarray, "H W"]:
    """Pixels of frame ``i`` that parsing calls head: face, hair and ears.

    Raises:
        EGSTalkerError: the parsing map is missing or damaged.
    """
    return to_classes(read_picture(folder, folder.parsing_map(i))) == HEAD
