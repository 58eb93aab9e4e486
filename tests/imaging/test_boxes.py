"""Boxes of head and mouth."""

from __future__ import annotations

import numpy as np
import torch

from imaging.boxes import Box, head_box, mouth_box


def test_head_box_holds_every_head_pixel_and_the_margin() -> None:
    mask = np.zeros((100, 80), dtype=bool)
    mask[20:60, 30:50] = True
    assert head_box(mask, margin=0.0) == Box(30, 20, 50, 60)
    assert head_box(mask, margin=0.1) == Box(26, 16, 54, 64)  # a tenth of the longer side


def test_boxes_stop_at_the_frame() -> None:
    mask = np.zeros((100, 80), dtype=bool)
    mask[0, 79] = mask[99, 0] = True
    assert head_box(mask) == Box(0, 0, 80, 100)


def test_no_head_has_no_box() -> None:
    assert head_box(np.zeros((10, 10), dtype=bool)) is None


def test_mouth_box_follows_the_mouth_points_only() -> None:
    landmarks = np.full((68, 2), 5.0)
    landmarks[48:, 0] = np.linspace(40, 60, 20)
    landmarks[48:, 1] = 70.0
    assert mouth_box(landmarks, 100, 100, margin=0.5) == Box(30, 60, 70, 80)


def test_a_mouth_outside_the_frame_or_unknown_has_no_box() -> None:
    assert mouth_box(np.full((68, 2), 500.0), 100, 100) is None
    assert mouth_box(np.full((68, 2), np.nan), 100, 100) is None


def test_crop_cuts_rows_and_columns_of_a_batch() -> None:
    images = torch.arange(2 * 6 * 5 * 3).reshape(2, 6, 5, 3)
    assert torch.equal(Box(1, 2, 4, 6).crop(images), images[:, 2:6, 1:4])
