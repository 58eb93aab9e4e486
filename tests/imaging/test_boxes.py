"""Boxes of head and mouth."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch

from imaging.boxes import Box, Margin, crop_margin, feature_box, head_box, head_region, mouth_box


def test_head_box_holds_every_head_pixel_and_the_margin() -> None:
    mask = np.zeros((100, 80), dtype=bool)
    mask[20:60, 30:50] = True
    assert head_region(mask) == head_box(mask, Margin(Fraction(0))) == Box(30, 20, 50, 60)
    assert head_box(mask, Margin(Fraction(1, 10))) == Box(26, 16, 54, 64)  # a tenth of the longer side
    assert head_box(mask, Margin(Fraction(1, 10), least=5)) == Box(25, 15, 55, 65)


def test_the_head_is_the_largest_region_whatever_else_parsing_took_for_one() -> None:
    mask = np.zeros((100, 80), dtype=bool)
    mask[20:60, 30:50] = mask[90:95, 2:4] = True
    mask[60, 50] = True  # touches at a corner: the head's own
    assert head_region(mask) == Box(30, 20, 51, 61)


def test_boxes_stop_at_the_frame() -> None:
    mask = np.zeros((100, 80), dtype=bool)
    mask[:, 40], mask[50] = True, True
    assert head_box(mask) == Box(0, 0, 80, 100)


def test_no_head_has_no_box() -> None:
    assert head_box(np.zeros((10, 10), dtype=bool)) is None
    assert head_region(np.zeros((10, 10), dtype=bool)) is None


def test_mouth_box_follows_the_mouth_points_only() -> None:
    landmarks = np.full((68, 2), 5.0)
    landmarks[48:, 0] = np.linspace(40, 60, 20)
    landmarks[48:, 1] = 70.0
    assert mouth_box(landmarks, 100, 100, Margin(Fraction(1, 2))) == Box(30, 60, 70, 80)


def test_the_losses_box_has_a_sixth_of_its_side_around_it_and_six_pixels_at_least() -> None:
    points = np.array([[20.5, 50.25], [80.5, 70.75]])
    assert feature_box(points).tolist() == [10, 40, 90, 80]  # rounded down on every side
    assert feature_box(points / 10).tolist() == [0, 0, 14, 13]
    assert feature_box(points, Margin(Fraction(1, 2))).tolist() == [0, 20, 110, 100]


def test_the_crop_has_as_large_a_share_around_it_in_larger_pictures() -> None:
    assert [crop_margin(side, side) for side in (192, 512, 768, 1024)] == [12, 12, 18, 24]


def test_a_mouth_outside_the_frame_or_unknown_has_no_box() -> None:
    assert mouth_box(np.full((68, 2), 500.0), 100, 100) is None
    assert mouth_box(np.full((68, 2), np.nan), 100, 100) is None


def test_crop_cuts_rows_and_columns_of_a_batch() -> None:
    images = torch.arange(2 * 6 * 5 * 3).reshape(2, 6, 5, 3)
    assert torch.equal(Box(1, 2, 4, 6).crop(images), images[:, 2:6, 1:4])
