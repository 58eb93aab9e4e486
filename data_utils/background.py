"""The scene without the person: what each pixel shows while it is uncovered, and a smooth guess where it never is."""

from __future__ import annotations

import cv2
import numpy as np

from arguments.dataset_folder import DatasetFolder
from data_utils.face_parsing.classes import BACKGROUND, to_classes
from data_utils.frame_files import read_rgb
from data_utils.inpaint import fill_smoothly

SAMPLES = 40  # frames, spread over the clip
MARGIN = 0.015  # of the frame's side, kept from the person: edges are soft and shadows cling to them
MIN_SEEN = 2  # frames in which a pixel must be background to be believed
_ROWS = 64  # handled at once, to bound memory


def clean_background(folder: DatasetFolder, num_frames: int) -> np.ndarray:
    """Per-pixel median of the frames in which the pixel is background, RGB uint8 [H, W, 3].

    Pixels that the person always covers are filled smoothly from around.
    """
    wanted = np.unique(np.linspace(0, num_frames - 1, min(SAMPLES, num_frames)).round().astype(int))
    images, covered = [], []
    for i in wanted:
        images.append(read_rgb(folder.frame(i)))
        reach = 2 * round(MARGIN * images[-1].shape[1]) + 1
        person = to_classes(read_rgb(folder.parsing_map(i))) != BACKGROUND
        covered.append(cv2.dilate(person.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0)
    frames, hidden = np.stack(images), np.stack(covered)
    seen = (~hidden).sum(0)
    median = np.empty(frames.shape[1:], np.float32)
    for top in range(0, len(median), _ROWS):
        rows = slice(top, top + _ROWS)
        median[rows] = _median(frames[:, rows], hidden[:, rows], seen[rows])
    filled = fill_smoothly(median, seen >= min(MIN_SEEN, len(wanted)))
    return np.clip(np.rint(filled), 0, 255).astype(np.uint8)


def _median(frames: np.ndarray, hidden: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Median over time of ``frames`` [T, h, W, 3] where not ``hidden`` [T, h, W]; any value where ``seen`` is 0."""
    ordered = np.sort(np.where(hidden[..., None], np.int16(256), frames), axis=0)
    low, high = np.maximum(seen - 1, 0) // 2, seen // 2 * (seen > 0)
    middle = [
        np.take_along_axis(ordered, index[None, ..., None], axis=0)[0]
        for index in (low, np.minimum(high, len(frames) - 1))
    ]
    return (middle[0].astype(np.float32) + middle[1]) / 2
