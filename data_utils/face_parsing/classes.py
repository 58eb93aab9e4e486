"""The four classes of a parsing map and their colours."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, UInt8

BACKGROUND, HEAD, NECK, TORSO = range(4)
COLOURS = np.array([(255, 255, 255), (0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)  # RGB, by class
_OF_BITS = np.array(  # by red green blue; TalkingGaussian paints hair black and the mouth's inside dark grey
    [HEAD, HEAD, NECK, HEAD, TORSO, BACKGROUND, TORSO, BACKGROUND], np.uint8
)


def to_colours(classes: Integer[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """A parsing map's picture.

    Args:
        classes: [H, W] class numbers.

    Returns:
        RGB uint8 [H, W, 3].
    """
    return np.take(COLOURS, classes, axis=0)


def to_classes(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
    """Class numbers from a parsing map's picture; colours between the classes' go to the nearest.

    Args:
        picture: RGB uint8 [H, W, 3].

    Returns:
        uint8 [H, W].
    """
    red, green, blue = (picture[..., channel] >> 7 for channel in range(3))
    return _OF_BITS[(red << 2) | (green << 1) | blue]
