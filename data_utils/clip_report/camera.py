"""How far a camera strays, by tracks of what is behind the person.

Tracks are those of Lucas and Kanade (1981) as OpenCV has them, kept where they come back to where they began (Kalal et
al., "Forward-Backward Error", 2010).
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

_POINTS, _FEWEST = 200, 5  # that are tracked; with fewer nothing is known
_CONTRAST = 2e-4  # of a corner: its gradients' smaller eigenvalue; a wall's grain has 1e-5 to 1e-4, leaves 2e-3
_APART = 4  # pixels from corner to corner
_RETURNS = 0.5  # pixels from where a track began to where it comes back to
_AGREES = 0.5  # pixels within which a track moves as most do
_HEAD, _HAIR, _SHOULDERS, _NECK = 0.9, 0.6, 2.0, 0.1  # of the face's height: half widths, and rims above and below
_FARTHEST = 95  # percentile of the way from the middle that stands for the farthest

Grey = UInt8[np.ndarray, "H W"]


class CameraMotion:
    """Follows the background through pictures of a clip, and tells how far it strays."""

    def __init__(self) -> None:
        self._last: tuple[Grey, Grey] | None = None  # a picture, and where it shows the background
        self._steps, self._known = 0, 0  # from picture to picture
        self._ways: list[list[Float[np.ndarray, "2"]]] = []  # places of the background, a list for each way followed

    def restart(self) -> None:
        """A new shot begins."""
        self._last = None

    def see(self, image: Grey, box: Float[np.ndarray, "4"] | None) -> None:
        """Take the next picture.

        Args:
            image: in grey.
            box: left, top, right and bottom of the face; None where there is none, which tells nothing.
        """
        if box is None:
            return
        step = None if self._last is None else _shift(*self._last, image)
        self._steps += self._last is not None
        self._known += step is not None
        if step is None:
            self._ways.append([np.zeros(2)])
        else:
            self._ways[-1].append(self._ways[-1][-1] + step)
        self._last = image, _background(image, box)

    @property
    def strays(self) -> float | None:
        """Pixels by which the background is off its median place at its farthest.

        None where it could be followed in no more than half of the pictures.
        """
        if 2 * self._known <= self._steps:
            return None
        ways = [np.array(way) for way in self._ways if len(way) > 1]
        off = [np.percentile(np.hypot(*(way - np.median(way, axis=0)).T), _FARTHEST) for way in ways]
        return float(max(off))


def _background(image: Grey, box: Float[np.ndarray, "4"]) -> Grey:
    """A mask, 255 beside the head and the shoulders."""
    left, top, right, bottom = box
    face, middle = bottom - top, (left + right) / 2
    mask = np.full_like(image, 255)
    for half, begin in ((_HEAD, top - _HAIR * face), (_SHOULDERS, bottom - _NECK * face)):
        first, last = (max(0, round(middle + side * half * face)) for side in (-1, 1))
        mask[max(0, round(begin)) :, first:last] = 0
    return mask


def _shift(last: Grey, behind: Grey, image: Grey) -> Float[np.ndarray, "2"] | None:
    """By how many pixels the background moved; None where too little of it can be followed, or most moves otherwise."""
    plain = cv2.cornerMinEigenVal(last, 3) < _CONTRAST
    corners = cv2.goodFeaturesToTrack(last, _POINTS, 1e-3, _APART, mask=np.where(plain, np.uint8(0), behind))
    if corners is None or len(corners) < _FEWEST:
        return None
    there, seen, _ = cv2.calcOpticalFlowPyrLK(last, image, corners, np.empty_like(corners))
    back, seen_again, _ = cv2.calcOpticalFlowPyrLK(image, last, there, np.empty_like(corners))
    returns = np.linalg.norm(back - corners, axis=-1).ravel() < _RETURNS
    moved = (there - corners).reshape(-1, 2)[returns & seen.ravel().astype(bool) & seen_again.ravel().astype(bool)]
    if len(moved) < _FEWEST:
        return None
    step = np.median(moved, axis=0)
    agrees = np.hypot(*(moved - step).T) < _AGREES
    return step.astype(np.float64) if agrees.mean() > 0.5 else None
