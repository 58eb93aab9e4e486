"""What a data set says a frame should look like, read from its folder one frame at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.frame_files import read_rgb
from scene.dataset import read_landmarks


@dataclass(frozen=True)
class TrueFrame:
    """One frame of the truth; pictures are RGB."""

    composite: UInt8[np.ndarray, "H W 3"]  # gt_imgs: the person over the clean background
    raw: UInt8[np.ndarray, "H W 3"]  # ori_imgs: the frame as it was filmed
    head: Bool[np.ndarray, "H W"]  # parsing's head class
    landmarks: Float[np.ndarray, "68 2"]  # pixels


def read_true_frame(folder: DatasetFolder, i: int) -> TrueFrame:
    """Frame ``i`` of a data set.

    Raises:
        EGSTalkerError: one of its four files is missing or damaged.
    """
    composite = read_rgb(folder.ground_truth_image(i))
    raw = read_rgb(folder.frame(i))
    parsing = read_rgb(folder.parsing_map(i))
    if not composite.shape == raw.shape == parsing.shape:
        raise EGSTalkerError(f"{folder.root}: the pictures of frame {i} differ in size; run preprocess.sh again")
    head = (parsing[..., 2] > 127) & (parsing[..., 0] < 128) & (parsing[..., 1] < 128)
    return TrueFrame(composite, raw, head, read_landmarks(folder.landmarks(i)))
