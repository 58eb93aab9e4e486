"""A frame cut to the head and band-passed, at the levels of a pyramid.

Shading does not turn with the head, so pictures are looked at in a band of detail. What is blurred by fast movement, or
noisy, has no fine detail left; halved and halved again it looks like itself (Burt and Adelson, "The Laplacian Pyramid
as a Compact Image Code", 1983), and from farther away.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from data_utils.face_tracking.head_points import HeadPoints
from data_utils.face_tracking.perspective import Poses, project

LEVELS = 3  # each half as large as the one before
_FINE = 1 / 340  # of the image side, the finest detail that is looked at,
_FINEST = 1.2  # pixels, and at least this
_BAND = 4.0  # times as coarse is the coarsest
_MARGIN = 1 / 40  # of the image side around the head in a cut


@dataclass(frozen=True)
class HeadView:
    """One level; its pixels are ``reduced`` pixels of the frame wide."""

    image: Float32[np.ndarray, "h w"]
    corner: Float64[np.ndarray, "2"]  # where the cut's corner lies in the frame, in this level's pixels
    reduced: int

    def camera(self, focal: float, centre: tuple[float, float]) -> tuple[float, Float64[np.ndarray, "2"]]:
        """Focal length and principal point in this level's pixels, of a camera in the frame's."""
        return focal / self.reduced, np.array(centre) / self.reduced


def head_views(
    grey: UInt8[np.ndarray, "H W"],
    pose: Poses,
    points: HeadPoints,
    focal: float,
    centre: tuple[float, float],
    levels: int = LEVELS,
) -> list[HeadView]:
    """The first ``levels`` levels of a frame around where a pose puts the points."""
    side, coarsest = max(grey.shape), 2 ** (levels - 1)
    pixels = project(pose.transform(points.places[::7]), focal, centre)[0]
    margin = _MARGIN * side * coarsest  # a coarse level is looked at from farther away
    low = np.floor((pixels.min(axis=0) - margin) / coarsest).clip(0).astype(int) * coarsest
    high = low + np.ceil((pixels.max(axis=0) + margin - low) / coarsest).clip(4).astype(int) * coarsest
    cut = grey[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    views = []
    for level in range(levels):
        reduced = 2**level
        height, width = cut.shape[0] // reduced, cut.shape[1] // reduced
        if min(height, width) < 4:
            views.append(HeadView(np.zeros((4, 4), np.float32), low / reduced, reduced))
            continue
        whole = cut[: height * reduced, : width * reduced]
        image = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA) if level else whole
        fine = max(_FINEST, _FINE * side)
        image = cv2.GaussianBlur(image, (0, 0), fine) - cv2.GaussianBlur(image, (0, 0), _BAND * fine)
        views.append(HeadView(image, low / reduced, reduced))
    return views
