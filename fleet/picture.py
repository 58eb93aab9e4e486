"""The small picture of a head that a report shows."""

from __future__ import annotations

import cv2
import numpy as np

from arguments.errors import EGSTalkerError
from fleet.stages import Head
from media.images import read_rgb

WIDTH = 360  # pixels, at most
ROWS = 4  # of training.validation, which would load PyTorch
QUALITY = 80  # of a report of hundreds of them


def picture_of(head: Head) -> bytes | None:
    """A JPEG of truth, render and error where the head is learnt, else of its first frame; None without either."""
    try:
        validated = sorted((head.model.root / "validation").glob("fine-*.png"))
        image = _first_row(read_rgb(validated[-1])) if validated else read_rgb(head.dataset.frame(0))
        height, width = image.shape[:2]
        if width > WIDTH:
            size = (WIDTH, max(1, round(height * WIDTH / width)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return data.tobytes() if done else None
    except (EGSTalkerError, OSError, cv2.error):  # a report without a picture is a report
        return None


def _first_row(image: np.ndarray) -> np.ndarray:
    """Of the picture that a training writes of its held-out frames, a frame a row, if it has all of its rows."""
    height = len(image)
    return image[: height // ROWS] if height % ROWS == 0 else image
