"""The small picture of a head that a report shows."""

from __future__ import annotations

from pathlib import Path

import cv2

from arguments.errors import EGSTalkerError
from fleet.stages import Head
from media.images import read_rgb

WIDTH = 360  # pixels, at most
QUALITY = 80  # of a report of hundreds of them


def picture_of(head: Head) -> bytes | None:
    """A JPEG of truth, render and error where the head is learnt, else of its first frame; None without either."""
    try:
        path = _latest(head)
        image = read_rgb(path)
        height, width = image.shape[:2]
        if width > WIDTH:
            size = (WIDTH, max(1, round(height * WIDTH / width)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return data.tobytes() if done else None
    except (EGSTalkerError, OSError, cv2.error):  # a report without a picture is a report
        return None


def _latest(head: Head) -> Path:
    validated = sorted((head.model.root / "validation").glob("fine-*.png"))
    return validated[-1] if validated else head.dataset.frame(0)
