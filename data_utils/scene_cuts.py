"""Where a film cuts from one shot to another."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

THUMBNAIL = 32  # pixels of the thumbnails that are compared
_LEAST = 6.0  # grey levels (of 255) by which thumbnails differ at a cut, at least; a jump cut of a still head makes 7
_TIMES = 5.0  # as much as the frames before differ from each other
_MEMORY = 25  # frames


class CutDetector:
    """Tells, picture by picture, whether a new shot begins: thumbnails suddenly differ as they have not before."""

    def __init__(self) -> None:
        self._last: Float32[np.ndarray, "32 32 3"] | None = None
        self._recent: deque[float] = deque(maxlen=_MEMORY)

    def __call__(self, image: UInt8[np.ndarray, "H W 3"]) -> bool:
        """Whether a cut lies between the picture before and this RGB ``image``; never at the first."""
        thumbnail = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, thumbnail
        if last is None:
            return False
        difference = float(np.abs(thumbnail - last).mean())
        usual = float(np.median(self._recent)) if self._recent else 0.0
        is_cut = difference > max(_LEAST, _TIMES * usual)
        if is_cut:
            self._recent.clear()
        else:
            self._recent.append(difference)
        return is_cut
