"""Boxes around the parts of a frame: the head, the mouth, the eyes.

A head's box is around its largest connected region of pixels, a feature's around its landmarks. What they are for
differs in the room around them alone: the margins stand side by side here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

MOUTH, RIGHT_EYE, LEFT_EYE = slice(48, 68), slice(36, 42), slice(42, 48)  # of the 68 landmarks (iBUG 300-W)


@dataclass(frozen=True)
class Margin:
    """Room on each side of what a box is around."""

    share: Fraction  # of the box's longer side, on all sides: a closed mouth is a flat box
    least: float = 0.0  # pixels


CROP_MARGIN = 12  # pixels around the head that training looks at, in pictures of up to
CROP_SIDE = 512  # pixels a side; in larger ones it is as large a share
LOSS_MARGIN = Margin(Fraction(1, 6), least=6)  # of mouth and eyes where losses weigh more
HEAD_SCORE_MARGIN = Margin(Fraction(1, 20))
MOUTH_SCORE_MARGIN = Margin(Fraction(7, 20))  # the lips' own motion and the chin's crease are scored too


@dataclass(frozen=True)
class Box:
    """Pixels ``left <= x < right`` and ``top <= y < bottom``."""

    left: int
    top: int
    right: int
    bottom: int

    def crop(self, images: Tensor) -> Tensor:
        """The box's part of pictures [*B, H, W, C]."""
        return images[..., self.top : self.bottom, self.left : self.right, :]


def crop_margin(width: int, height: int) -> int:
    """Pixels around the head that training looks at, in pictures of a size in pixels."""
    return max(CROP_MARGIN, round(CROP_MARGIN * max(width, height) / CROP_SIDE))


def head_region(mask: Bool[np.ndarray, "H W"]) -> Box | None:
    """The tight box around the largest connected region of a frame's head pixels; None where there are none."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    x, y, w, h, _ = (int(value) for value in stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))])
    return Box(x, y, x + w, y + h)


def head_box(mask: Bool[np.ndarray, "H W"], margin: Margin = HEAD_SCORE_MARGIN) -> Box | None:
    """:func:`head_region` with room around it, cut at the frame; None for no head.

    Args:
        mask: the frame's head pixels.
        margin: the room, on each side.
    """
    region = head_region(mask)
    if region is None:
        return None
    edges = np.array([region.left, region.top, region.right, region.bottom], dtype=np.float64)
    return _pixels(_widened(edges, margin), *mask.shape)


def mouth_box(
    landmarks: Float[np.ndarray, "68 2"], height: int, width: int, margin: Margin = MOUTH_SCORE_MARGIN
) -> Box | None:
    """The box around the 20 mouth points (pixels) with room around it, cut at the frame; None where it is outside.

    Args:
        landmarks: x, y in pixels; NaN where they are not known.
        height, width: of the frame, pixels.
        margin: the room, on each side.
    """
    return _pixels(_widened(_around(landmarks[MOUTH]), margin), height, width)


def feature_box(points: Float[np.ndarray, "K 2"], margin: Margin = LOSS_MARGIN) -> Float[np.ndarray, "4"]:
    """Left, top, right, bottom around landmarks with room around them, in whole pixels rounded down, none below 0.

    Args:
        points: x, y in pixels of the picture that is looked at; they may lie outside it.
        margin: the room, on each side.
    """
    return np.floor(np.maximum(_widened(_around(points), margin), 0))


def _around(points: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "4"]:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _widened(edges: Float[np.ndarray, "4"], margin: Margin) -> Float[np.ndarray, "4"]:
    side = (edges[2:] - edges[:2]).max()
    room = np.maximum(side * margin.share.numerator / margin.share.denominator, margin.least)
    return np.concatenate([edges[:2] - room, edges[2:] + room])


def _pixels(edges: Float[np.ndarray, "4"], height: int, width: int) -> Box | None:
    """Every pixel that ``edges`` touch inside the frame."""
    if not np.isfinite(edges).all():
        return None
    left, top = (max(int(edge), 0) for edge in np.floor(edges[:2]))
    right, bottom = (min(int(edge), limit) for edge, limit in zip(np.ceil(edges[2:]), (width, height), strict=True))
    return Box(left, top, right, bottom) if left < right and top < bottom else None
