"""The four classes of a parsing map and their colours."""

from __future__ import annotations

import numpy as np

BACKGROUND, HEAD, NECK, TORSO = range(4)
COLOURS = np.array([(255, 255, 255), (0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)  # RGB, by class
_OF_BITS = np.array([BACKGROUND, HEAD, NECK, HEAD, TORSO, BACKGROUND, TORSO, BACKGROUND], np.uint8)  # by red green blue


def to_colours(classes: np.ndarray) -> np.ndarray:
    """A parsing map as RGB uint8 [H, W, 3] from class numbers [H, W]."""
    return np.take(COLOURS, classes, axis=0)


def to_classes(picture: np.ndarray) -> np.ndarray:
    """Class numbers [H, W] uint8 from a parsing map's RGB picture [H, W, 3]; colours between them go to the nearest."""
    red, green, blue = (picture[..., channel] >> 7 for channel in range(3))
    return _OF_BITS[(red << 2) | (green << 1) | blue]
