"""A picture that shows what figures do not: frames of the truth, the render, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from evaluation.scores import Scores
from imaging.error_map import FULL_SCALE, error_map

SIDE = 320  # pixels of one picture's longer side in the sheet
GAP, HEADER, LINE = 8, 28, 20
PAPER, INK = 250, (40, 40, 40)


@dataclass(frozen=True)
class Comparison:
    """One frame of the sheet; pictures are RGB."""

    frame: int  # its number in the data set
    truth: UInt8[np.ndarray, "H W 3"]
    render: UInt8[np.ndarray, "H W 3"]


def comparison_sheet(comparisons: Sequence[Comparison], scores: Scores) -> UInt8[np.ndarray, "H W 3"]:
    """Rows of truth | render | error under their headings, with the figures beneath; RGB.

    Raises:
        ValueError: there is nothing to show.
    """
    if not comparisons:
        raise ValueError("a comparison sheet needs at least one frame")
    rows = [_row(comparison) for comparison in comparisons]
    height, width = rows[0].shape[:2]
    figures = _lines(scores, width)
    sheet = np.full((HEADER + len(rows) * (height + GAP) + LINE * len(figures) + GAP, width, 3), PAPER, np.uint8)
    column = (width - 2 * GAP) // 3 + GAP
    for i, heading in enumerate(("truth", "render", f"error (white: {FULL_SCALE:.0%} of the range)")):
        _write(sheet, heading, i * column + GAP, HEADER - 9)
    top = HEADER
    for row in rows:
        sheet[top : top + height] = row
        top += height + GAP
    for line in figures:
        top += LINE
        _write(sheet, line, GAP, top - 6)
    return sheet


def _row(comparison: Comparison) -> UInt8[np.ndarray, "H W 3"]:
    pictures = (comparison.truth, comparison.render, error_map(comparison.render, comparison.truth))
    height, width = comparison.truth.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    shrunk = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    gap = np.full((size[1], GAP, 3), PAPER, np.uint8)
    row = np.concatenate([shrunk[0], gap, shrunk[1], gap, shrunk[2]], axis=1)
    _write(row, f"frame {comparison.frame}", GAP, size[1] - GAP, halo=True)
    return row


def _lines(scores: Scores, width: int) -> list[str]:
    """The figures as lines of text that fit ``width`` pixels."""
    words = [f"{name} {value:g}" for name, value in scores.as_dict().items() if value is not None]
    lines = [""]
    for word in words:
        longer = f"{lines[-1]}   {word}".strip()
        if cv2.getTextSize(longer, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0] > width - 2 * GAP and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _write(picture: UInt8[np.ndarray, "H W 3"], text: str, x: int, y: int, *, halo: bool = False) -> None:
    if halo:
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 3, cv2.LINE_AA)
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
