"""Where two pictures differ, as a picture."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

FULL_SCALE = 0.25  # of the value range: the error (mean over colours) that is drawn brightest


def error_map(render: UInt8[np.ndarray, "H W 3"], truth: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Absolute error, mean over colours, from black (none) through red to white (a quarter of the range or more)."""
    error = np.abs(render.astype(np.float32) - truth.astype(np.float32)).mean(-1) / (255 * FULL_SCALE)
    grey = (error.clip(0, 1) * 255).round().astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_HOT), cv2.COLOR_BGR2RGB)
