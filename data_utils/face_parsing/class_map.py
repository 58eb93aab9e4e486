"""From rough class probabilities to a parsing map: steadied over time, then drawn to the picture's own edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from data_utils.face_parsing.classes import BACKGROUND, HEAD, NECK, TORSO, to_picture
from media.images import write_image

TIME_KERNEL = (0.25, 0.5, 0.25)  # over neighbouring frames, against flicker
HANGING = 4  # in probabilities, after the four classes: hair that moves with the torso
_RADIUS = 5 / 512  # of the width: how far an edge is drawn
_SMOOTHNESS = 20.0  # squared Lab levels (0..255) that count as no edge
_HANGS = 0.02  # of a pixel, from which on hair that moves with the torso makes it a shared one
_AROUND = 4  # pixels of the rough map: further than edges are drawn
_JAW_LINE = 0.006  # of the width: the dark line where the head ends before neck and torso is the head's


Picture = UInt8[np.ndarray, "H W 3"]
Probabilities = Float32[np.ndarray, "h w 5"]  # of background, head, neck, torso, and hair that moves with the torso
Seen = tuple[Picture, Probabilities]


def steadied(frames: Iterable[Seen]) -> Iterator[Seen]:
    """Pass pairs of picture and probabilities on, the probabilities averaged with the neighbours'.

    One frame is kept back. The first and the last are their own neighbours.
    """
    before, here = None, None
    for after in frames:
        if here is not None:
            yield here[0], _averaged(here[1] if before is None else before[1], here[1], after[1])
        before, here = here, after
    if here is not None:
        yield here[0], _averaged(here[1] if before is None else before[1], here[1], here[1])


def write_map(path: Path, image: Picture, probabilities: Probabilities) -> None:
    """Write the parsing map of one frame; see :func:`class_map`."""
    write_image(path, to_picture(*class_map(image, probabilities)))


def class_map(
    image: Picture, probabilities: Probabilities
) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "H W"]]:
    """Class numbers and the head's share of each pixel, with edges where the picture has them.

    A guided filter (He, Sun, Tang, "Guided Image Filtering", 2013) lays the probabilities along the picture's edges.

    Args:
        image: RGB uint8 [H, W, 3].
        probabilities: of background, head, neck, torso and hair that moves with the torso, float32 [h, w, 5]; any size.

    Returns:
        uint8 [H, W], class numbers: shared hair is of whom it follows the more;
        uint8 [H, W], 0 to 255: the head's share, fractions where hair hangs below the chin.
    """
    height, width = image.shape[:2]
    hair = probabilities[..., HEAD] + probabilities[..., HANGING]
    rough = cv2.merge([hair, probabilities[..., NECK], probabilities[..., TORSO]])
    wide = cv2.resize(rough, (width, height), interpolation=cv2.INTER_LINEAR)
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
    filtered = cv2.ximgproc.guidedFilter(guide, wide, max(2, round(_RADIUS * width)), _SMOOTHNESS, scale=0.5)
    head, neck, torso = cv2.split(filtered)
    person = head + neck + torso >= 0.5
    is_head = ((head >= neck) & (head >= torso) & person).astype(np.uint8)
    reach = 2 * round(_JAW_LINE * width) + 1
    share = np.where(person & (cv2.dilate(is_head, np.ones((reach, reach), np.uint8)) > 0), np.uint8(255), np.uint8(0))
    classes = np.where(neck >= torso, np.uint8(NECK), np.uint8(TORSO))
    hangs = (probabilities[..., HANGING] > _HANGS).any(axis=1)
    if hangs.any():
        first = max(0, int(hangs.argmax()) - _AROUND)
        below = slice(first * height // len(hangs), None)  # rows; above them nothing is shared
        hair, others = head[below], neck[below] + torso[below]
        passed = _passed(probabilities, (width, height))[below]
        shared = person[below] & (passed > _HANGS) & (hair > _HANGS)
        is_hair = np.clip(2 * hair / (hair + others + 1e-6) - 0.5, 0, 1)  # a half where it is as likely as not
        np.copyto(share[below], np.rint(255 * is_hair * (1 - passed)).astype(np.uint8), where=shared)
        classes[below][shared & (is_hair >= 0.5)] = TORSO
    classes[share > 127] = HEAD
    classes[~person] = BACKGROUND
    return classes, share


def _passed(probabilities: Probabilities, size: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    """How much of the hair here and near here has passed from head to torso, 0..1, in a picture of ``size``."""
    window = (2 * _AROUND + 1, 2 * _AROUND + 1)
    hanging, held = (cv2.blur(np.ascontiguousarray(probabilities[..., k]), window) for k in (HANGING, HEAD))
    return cv2.resize(hanging / (hanging + held + 1e-6), size, interpolation=cv2.INTER_LINEAR)


def _averaged(before: Probabilities, here: Probabilities, after: Probabilities) -> Probabilities:
    ends = cv2.addWeighted(before, TIME_KERNEL[0], after, TIME_KERNEL[2], 0)
    return cv2.addWeighted(ends, 1, here, TIME_KERNEL[1], 0)
