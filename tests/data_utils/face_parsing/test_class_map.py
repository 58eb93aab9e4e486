"""Probabilities become maps: steady over time, edges where the picture has them."""

from __future__ import annotations

import numpy as np
import pytest

from data_utils.face_parsing.class_map import class_map, steadied
from data_utils.face_parsing.classes import BACKGROUND, COLOURS, HEAD, NECK, TORSO, to_classes, to_colours


@pytest.mark.parametrize("length", [1, 2, 5])
def test_probabilities_are_averaged_with_their_neighbours(length):
    values = np.random.default_rng(0).random((length, 4, 5, 4)).astype(np.float32)
    pictures = [np.full((2, 2, 3), i, np.uint8) for i in range(length)]
    padded = np.concatenate([values[:1], values, values[-1:]])
    expected = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    passed = list(steadied(zip(pictures, values, strict=True)))
    assert [picture[0, 0, 0] for picture, _ in passed] == list(range(length))
    np.testing.assert_allclose([steady for _, steady in passed], expected, rtol=1e-5)


def test_an_edge_goes_where_the_picture_has_it():
    picture = np.full((256, 256, 3), (200, 190, 180), np.uint8)
    picture[:, 101:] = (60, 40, 30)
    rough = np.zeros((64, 64, 4), np.float32)
    rough[:, :26, BACKGROUND], rough[:, 26:, HEAD] = 1, 1  # three pixels too far to the right
    classes = class_map(picture, rough)
    found = (classes == BACKGROUND).sum(1)
    assert np.abs(found[8:-8] - 101).max() <= 1


def test_the_dark_line_under_the_jaw_is_the_heads():
    picture = np.full((512, 512, 3), 120, np.uint8)
    sure = np.zeros((512, 512, 4), np.float32)
    sure[:200, :, HEAD], sure[200:400, :, NECK], sure[400:, :, TORSO] = 1, 1, 1
    sure[:, :100] = (1, 0, 0, 0)
    classes = class_map(picture, sure)
    rows = [(classes[:, 300] == kind).sum() for kind in (HEAD, NECK, TORSO)]
    assert rows == [203, 197, 112]
    assert (classes[:, :95] == BACKGROUND).all()


def test_colours_and_classes_are_inverse_and_blurred_colours_go_to_the_nearest():
    classes = np.random.default_rng(0).integers(0, 4, (9, 7)).astype(np.uint8)
    np.testing.assert_array_equal(to_classes(to_colours(classes)), classes)
    near = np.clip(COLOURS[classes].astype(int) + 100 * np.sign(127 - COLOURS[classes].astype(int)), 0, 255)
    np.testing.assert_array_equal(to_classes(near.astype(np.uint8)), classes)
