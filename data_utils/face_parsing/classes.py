"""The four classes of a parsing map and their colours."""

from __future__ import annotations

import numpy as np

BACKGROUND, HEAD, NECK, TORSO = range(4)
COLOURS = np.array([(255, 255, 255), (0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)  # RGB, by class


def to_colours(classes: np.ndarray) -> np.ndarray:
    """A parsing map as RGB uint8 [H, W, 3] from class numbers [H, W]."""
    return COLOURS[classes]


def to_classes(picture: np.ndarray) -> np.ndarray:
    """Class numbers [H, W] uint8 from a parsing map's RGB picture [H, W, 3]."""
    red, green, blue = (picture[..., channel] > 127 for channel in range(3))
    classes = np.full(picture.shape[:2], BACKGROUND, np.uint8)
    classes[blue & ~red] = HEAD
    classes[green & ~red & ~blue] = NECK
    classes[red & ~blue] = TORSO
    return classes
