"""One picture over another on a CPU, in one pass."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def over(front, back, picture):
    """See ``scene.backdrop``."""
    for i in range(front.shape[0]):
        for j in range(front.shape[1]):
            alpha = np.uint32(front[i, j, 3])
            for k in range(3):
                both = front[i, j, k] * alpha + back[i, j, k] * (np.uint32(255) - alpha) + np.uint32(127)
                picture[i, j, k] = both // np.uint32(255)
