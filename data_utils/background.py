"""The scene without the person: what each pixel shows while it is uncovered, and a smooth guess where it never is."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from arguments.dataset_folder import DatasetFolder
from data_utils.face_parsing.classes import BACKGROUND, to_classes
from data_utils.inpaint import fill_smoothly
from data_utils.lost_frames import spread
from media.images import read_rgb

SAMPLES = 40  # frames, spread over the clip
SECOND_LOOK = 400  # frames in which to look for what those do not show
MARGIN = 0.015  # of the frame's side, kept from the person: edges are soft and shadows cling to them
WIDE_MARGIN = 0.05  # kept where the person ever is so far away: parsing misses earrings, hair ties and loose strands
FAR_ENOUGH = 10  # frames with the person so far away that make a median of their own, and outlast a mask that fails
MIN_SEEN = 2  # frames in which a pixel must be background to be believed
_ROWS = 64  # handled at once, to bound memory


def clean_background(folder: DatasetFolder, num_frames: int) -> UInt8[np.ndarray, "H W 3"]:
    """Per-pixel median of the frames in which the pixel is background.

    Where the person is near a pixel in some frames and far from it in others, the latter count. Pixels that the
    person uncovers only for moments are the mean of these moments; those that stay covered are filled smoothly from
    around. Frames in which the face is lost are left out: they may show another scene, and what hides a face hides it
    from parsing, too.

    Returns:
        RGB uint8 [H, W, 3].
    """
    frames = np.arange(num_frames)
    shown = np.setdiff1d(frames, folder.lost_frames())
    usable = shown if len(shown) else frames
    wanted = spread(usable, SAMPLES)
    frames = np.stack([read_rgb(folder.frame(i)) for i in wanted])
    away = np.stack([_away(folder, i) for i in wanted])
    far = away > round(WIDE_MARGIN * frames.shape[2])
    hidden = np.where(far.sum(0) >= FAR_ENOUGH, ~far, away <= round(MARGIN * frames.shape[2]))
    seen = (~hidden).sum(0)
    background = np.empty(frames.shape[1:], np.float32)
    for top in range(0, len(background), _ROWS):
        rows = slice(top, top + _ROWS)
        background[rows] = _median(frames[:, rows], hidden[:, rows], seen[rows])
    known = seen >= min(MIN_SEEN, len(wanted))
    total, times = np.zeros_like(background), np.zeros(known.shape, np.float32)
    for i in spread(usable, SECOND_LOOK):
        uncovered = ~known & (_away(folder, i) > round(MARGIN * known.shape[1]))
        if uncovered.any():
            total[uncovered] += read_rgb(folder.frame(i))[uncovered]
            times += uncovered
    late = times >= MIN_SEEN
    background[late] = total[late] / times[late][:, None]
    return np.clip(np.rint(fill_smoothly(background, known | late)), 0, 255).astype(np.uint8)


def _away(folder: DatasetFolder, i: int) -> UInt8[np.ndarray, "H W"]:
    """How many pixels away the person is, along rows or columns, whichever is more; 255 where it is that or more."""
    behind = to_classes(read_rgb(folder.parsing_map(i))) == BACKGROUND
    distance = cv2.distanceTransform(behind.astype(np.uint8), cv2.DIST_C, 3)
    return np.minimum(distance, 255).astype(np.uint8)  # where there is nobody, the distance is infinite


def _median(
    frames: UInt8[np.ndarray, "T h W 3"], hidden: Bool[np.ndarray, "T h W"], seen: Int[np.ndarray, "h W"]
) -> Float32[np.ndarray, "h W 3"]:
    """Median over time of ``frames`` where not ``hidden``; any value where ``seen`` is 0."""
    ordered = np.sort(np.where(hidden[..., None], np.int16(256), frames), axis=0)
    low, high = np.maximum(seen - 1, 0) // 2, seen // 2 * (seen > 0)
    middle = [
        np.take_along_axis(ordered, index[None, ..., None], axis=0)[0]
        for index in (low, np.minimum(high, len(frames) - 1))
    ]
    return (middle[0].astype(np.float32) + middle[1]) / 2
