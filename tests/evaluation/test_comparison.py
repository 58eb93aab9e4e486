"""The picture of the report."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.comparison import Comparison, comparison_sheet
from evaluation.scores import Scores
from imaging.error_map import error_map


def test_error_map_is_black_without_error_and_white_from_a_quarter_on() -> None:
    truth = np.full((4, 4, 3), 100, np.uint8)
    render = truth.copy()
    render[0, 0] = 165
    render[1, 1] = 255
    painted = error_map(render, truth)
    assert painted[3, 3].max() < 15
    assert painted[0, 0].min() > 240 and painted[1, 1].min() > 240


def test_sheet_shows_truth_render_and_error_of_each_frame_side_by_side() -> None:
    truth, render = np.full((40, 40, 3), (200, 0, 0), np.uint8), np.full((40, 40, 3), (0, 0, 200), np.uint8)
    sheet = comparison_sheet([Comparison(7, truth, render), Comparison(9, render, render)], Scores(ssim=0.5, frames=2))
    assert sheet.shape[1] == 3 * 320 + 2 * 8
    assert sheet.shape[0] > 2 * 320
    assert tuple(sheet[150, 160]) == (200, 0, 0)
    assert tuple(sheet[150, 328 + 160]) == (0, 0, 200)
    assert sheet[150, 2 * 328 + 160].min() > 240
    assert sheet[28 + 320 + 8 + 150, 2 * 328 + 160].max() < 15


def test_a_sheet_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        comparison_sheet([], Scores())
