"""Boxes around the parts of a frame: the head, the mouth, the eyes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

HEAD_MARGIN = 0.05  # of the box's side, on each side
MOUTH_MARGIN = 0.35  # the lips' outline is tight: leave room for the lips' own motion and the chin's crease
MOUTH, RIGHT_EYE, LEFT_EYE = slice(48, 68), slice(36, 42), slice(42, 48)  # of the 68 landmarks (iBUG 300-W)


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


def head_box(mask: Bool[np.ndarray, "H W"], margin: float = HEAD_MARGIN) -> Box | None:
    """The box around a frame's head pixels, wider by ``margin`` of its sides and cut at the frame; None for no head."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        return None
    left, top, right, bottom = (int(x) for x in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return _box(left, top, right, bottom, margin, mask.shape)


def mouth_box(
    landmarks: Float[np.ndarray, "68 2"], height: int, width: int, margin: float = MOUTH_MARGIN
) -> Box | None:
    """The box around the 20 mouth points (pixels), wider by ``margin`` of its width; None where it is out of frame."""
    (left, top), (right, bottom) = landmarks[MOUTH].min(0), landmarks[MOUTH].max(0)
    if not np.isfinite([left, top, right, bottom]).all():
        return None
    return _box(left, top, right, bottom, margin, (height, width))


def _box(left: float, top: float, right: float, bottom: float, margin: float, size: tuple[int, ...]) -> Box | None:
    # The same margin all around, measured on the longer side: a closed mouth is a flat box.
    room = margin * max(right - left, bottom - top)
    box = Box(
        left=max(int(np.floor(left - room)), 0),
        top=max(int(np.floor(top - room)), 0),
        right=min(int(np.ceil(right + room)), size[1]),
        bottom=min(int(np.ceil(bottom + room)), size[0]),
    )
    return box if box.left < box.right and box.top < box.bottom else None


def largest_region(mask: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest connected region; the whole picture where there is none."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return 0, 0, mask.shape[1], mask.shape[0]
    x, y, w, h, _ = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
    return int(x), int(y), int(x + w), int(y + h)


def feature_box(points: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "4"]:
    """Left, top, right, bottom around landmarks, a third larger than theirs, by at least six pixels on each side."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum((high - low).max() / 6, 6)
    return np.concatenate([np.floor(np.maximum(low - margin, 0)), np.floor(np.maximum(high + margin, 0))])
