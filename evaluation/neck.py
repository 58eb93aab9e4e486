"""Where a head ends upon neck and torso, and whether it shows."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

BAND = 0.03  # of the picture's side, to either side of the line
_APART = 2  # pixels on either side of the line, between which colours are compared: the line itself is soft


def neck_band(head: Bool[np.ndarray, "H W"], body: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels of head and body that are near each other."""
    reach = max(1, round(BAND * head.shape[1]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = [cv2.dilate(mask.astype(np.uint8), kernel) > 0 for mask in (head, body)]
    return near[0] & near[1] & (head | body)


def steps_across(
    picture: UInt8[np.ndarray, "H W 3"], head: Bool[np.ndarray, "H W"], body: Bool[np.ndarray, "H W"]
) -> float:
    """Sum of the absolute differences of colours, of 255, between both sides of the line where the head ends."""
    total = 0.0
    for axis in (0, 1):
        values, inside, below = (np.moveaxis(part, axis, 0) for part in (picture.astype(np.int16), head, body))
        apart = np.abs(values[2 * _APART :] - values[: -2 * _APART]).mean(-1)
        for first, second in ((inside, below), (below, inside)):
            across = first[_APART:-_APART][: len(apart)] & second[_APART + 1 :][: len(apart)]
            total += float(apart[across].sum())
    return total
