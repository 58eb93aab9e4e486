"""What a data set says a frame should look like, read from its folder one frame at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.cures import picture_cure, read_picture
from data_utils.face_parsing.classes import NECK, TORSO, to_classes_and_share
from data_utils.landmark_file import read_landmarks


@dataclass(frozen=True)
class TrueFrame:
    """One frame of the truth; pictures are RGB."""

    number: int  # in the data set
    composite: UInt8[np.ndarray, "H W 3"]  # gt_imgs: the person over the clean background
    raw: UInt8[np.ndarray, "H W 3"]  # ori_imgs: the frame as it was filmed
    head: Bool[np.ndarray, "H W"]  # parsing's head class
    body: Bool[np.ndarray, "H W"]  # its classes neck and torso
    landmarks: Float[np.ndarray, "68 2"]  # pixels


def read_true_frame(folder: DatasetFolder, i: int) -> TrueFrame:
    """Frame ``i`` of a data set.

    Raises:
        EGSTalkerError: one of its four files is missing or damaged.
    """
    composite = read_picture(folder, folder.ground_truth_image(i))
    raw = read_picture(folder, folder.frame(i))
    classes, share = to_classes_and_share(read_picture(folder, folder.parsing_map(i), alpha=None))
    head, body = share > 127, np.isin(classes, (NECK, TORSO))
    sizes = {
        folder.ground_truth_image(i): composite.shape[:2],
        folder.frame(i): raw.shape[:2],
        folder.parsing_map(i): head.shape,
    }
    for path, size in sizes.items():
        if list(sizes.values()).count(size) == 1:
            raise EGSTalkerError(
                f"{path} has another size than the other pictures of its frame; {picture_cure(folder, path)}"
            )
    return TrueFrame(i, composite, raw, head, body, read_landmarks(folder, i))
