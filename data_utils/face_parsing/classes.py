"""The four classes of a parsing map, their colours, and how much of a pixel is the head's.

Hair that lies on the shoulders moves with both. A map says so in an alpha channel, which programs that read only
colours never see: alpha is how much of a pixel belongs to the class of its colour, at least half; the rest is the
head's where the colour is neck's or torso's, and theirs where it is the head's. Without the channel all is whole.
"""

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


def to_picture(classes: UInt8[np.ndarray, "H W"], head: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W C"]:
    """A parsing map's picture, which says how much of each pixel is the head's.

    Args:
        classes: [H, W] class numbers.
        head: [H, W], 0 to 255: the head's share, over 127 where the class is head and only there.

    Returns:
        RGBA uint8 [H, W, 4], or RGB [H, W, 3] where no pixel is shared.
    """
    colours, share = to_colours(classes), np.where(classes == HEAD, head, 255 - head)
    return colours if (share == 255).all() else np.dstack([colours, share])


def head_share(picture: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H W"]:
    """How much of each pixel of a parsing map is the head's; see :func:`to_classes_and_share`."""
    return to_classes_and_share(picture)[1]


def to_classes_and_share(
    picture: UInt8[np.ndarray, "H W C"],
) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "H W"]]:
    """Class numbers from a parsing map's picture, and how much of each pixel is the head's: face, hair and ears.

    Args:
        picture: RGB or RGBA uint8 [H, W, 3 or 4]; an alpha under a half is none of ours and says nothing.

    Returns:
        uint8 [H, W], class numbers;
        uint8 [H, W], 0 to 255: over 127 where the class is head.
    """
    classes = to_classes(picture[..., :3])
    share = np.where(classes == HEAD, np.uint8(255), np.uint8(0))
    if picture.shape[2] == 4:
        alpha = picture[..., 3]
        shared = (alpha > 127) & (alpha < 255) & (classes != BACKGROUND)
        np.copyto(share, share ^ ~alpha, where=shared)  # alpha of the head's 255, 255 - alpha of the others' 0
    return classes, share


def to_classes(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
    """Class numbers from a parsing map's picture; colours between the classes' go to the nearest.

    Args:
        picture: RGB uint8 [H, W, 3].

    Returns:
        uint8 [H, W].
    """
    red, green, blue = (picture[..., channel] >> 7 for channel in range(3))
    return _OF_BITS[(red << 2) | (green << 1) | blue]
