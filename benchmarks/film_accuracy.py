"""Where the head of a rendered film stands, against the film's truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from benchmarks.track_accuracy import OFF
from evaluation.truth import TrueFrame
from imaging.boxes import head_region

REACH = 10  # pixels to each side in which a head is looked for
LEAST = 16  # pixels of a head's box, that it can be looked for
FLAT = 4.0  # levels of 255 that a head's brightness varies by at least


@dataclass(frozen=True)
class FilmAccuracy:
    """Of the frames that are held out of training."""

    head_off: float | None  # share of the frames whose head is off by more than 3 px


def film_accuracy(renders: Iterable[UInt8[np.ndarray, "H W 3"]], truths: Iterable[TrueFrame]) -> FilmAccuracy:
    """Look for each frame's true head in its render, turned away from the camera or not."""
    away = [_away(render, truth) for render, truth in zip(renders, truths, strict=True)]
    known = np.array([distance for distance in away if distance is not None])
    return FilmAccuracy(float((known > OFF).mean()) if len(known) else None)


def _away(render: UInt8[np.ndarray, "H W 3"], truth: TrueFrame) -> float | None:
    """How far (pixels) the head is from where it should be: the shift with which its true picture fits the rendered one
    best, by normalised correlation. None where no head is seen, or nothing on it."""
    box = head_region(truth.head)
    if box is None or min(box.right - box.left, box.bottom - box.top) < LEAST:
        return None
    known = truth.composite[box.top : box.bottom, box.left : box.right]
    mask = truth.head[box.top : box.bottom, box.left : box.right].astype(np.float32)
    if _grey(known)[mask > 0].std() < FLAT:
        return None
    room = cv2.copyMakeBorder(render, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    around = room[box.top : box.bottom + 2 * REACH, box.left : box.right + 2 * REACH]
    fits = cv2.matchTemplate(_grey(around), _grey(known), cv2.TM_CCOEFF_NORMED, mask=mask)
    row, column = np.unravel_index(int(np.argmax(np.nan_to_num(fits, nan=-1.0, posinf=-1.0))), fits.shape)
    return float(np.hypot(row - REACH, column - REACH))


def _grey(picture: UInt8[np.ndarray, "H W 3"]) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
