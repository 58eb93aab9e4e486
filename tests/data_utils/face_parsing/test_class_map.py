"""Probabilities become maps: steady over time, edges where the picture has them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data_utils.face_parsing.class_map import class_map, steadied
from data_utils.face_parsing.classes import (
    BACKGROUND,
    COLOURS,
    HEAD,
    NECK,
    TORSO,
    head_share,
    to_classes,
    to_colours,
    to_picture,
)
from media.images import read_rgb, read_rgb_or_rgba, write_image


@pytest.mark.parametrize("length", [1, 2, 5])
def test_probabilities_are_averaged_with_their_neighbours(length):
    values = np.random.default_rng(0).random((length, 4, 5, 5)).astype(np.float32)
    pictures = [np.full((2, 2, 3), i, np.uint8) for i in range(length)]
    padded = np.concatenate([values[:1], values, values[-1:]])
    expected = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    passed = list(steadied(zip(pictures, values, strict=True)))
    assert [picture[0, 0, 0] for picture, _ in passed] == list(range(length))
    np.testing.assert_allclose([steady for _, steady in passed], expected, rtol=1e-5)


def test_an_edge_goes_where_the_picture_has_it():
    picture = np.full((256, 256, 3), (200, 190, 180), np.uint8)
    picture[:, 101:] = (60, 40, 30)
    rough = np.zeros((64, 64, 5), np.float32)
    rough[:, :26, BACKGROUND], rough[:, 26:, HEAD] = 1, 1  # three pixels too far to the right
    classes, _ = class_map(picture, rough)
    found = (classes == BACKGROUND).sum(1)
    assert np.abs(found[8:-8] - 101).max() <= 1


def test_the_dark_line_under_the_jaw_is_the_heads():
    picture = np.full((512, 512, 3), 120, np.uint8)
    sure = np.zeros((512, 512, 5), np.float32)
    sure[:200, :, HEAD], sure[200:400, :, NECK], sure[400:, :, TORSO] = 1, 1, 1
    sure[:, :100] = (1, 0, 0, 0, 0)
    classes, _ = class_map(picture, sure)
    rows = [(classes[:, 300] == kind).sum() for kind in (HEAD, NECK, TORSO)]
    assert rows == [203, 197, 112]
    assert (classes[:, :95] == BACKGROUND).all()


def test_colours_and_classes_are_inverse_and_blurred_colours_go_to_the_nearest():
    classes = np.random.default_rng(0).integers(0, 4, (9, 7)).astype(np.uint8)
    np.testing.assert_array_equal(to_classes(to_colours(classes)), classes)
    near = np.clip(COLOURS[classes].astype(int) + 100 * np.sign(127 - COLOURS[classes].astype(int)), 0, 255)
    np.testing.assert_array_equal(to_classes(near.astype(np.uint8)), classes)


def test_hair_that_passes_to_the_torso_is_shared_without_a_jump():
    picture = np.full((256, 256, 3), (120, 110, 100), np.uint8)
    picture[:, 100:160] = (40, 30, 20)
    likely = np.zeros((256, 256, 5), np.float32)
    likely[..., TORSO] = 1
    passed = np.clip((np.arange(256) - 80) / 100, 0, 1)[:, None]  # of a strand of hair over clothes
    likely[:, 100:160] = 0
    likely[:, 100:160, HEAD], likely[:, 100:160, 4] = 1 - passed, passed
    classes, share = class_map(picture, likely)
    strand = share[:, 110:150].astype(int)
    np.testing.assert_allclose(strand, np.broadcast_to(255 * (1 - passed), strand.shape), atol=6)
    assert (classes[:125, 104:156] == HEAD).all()
    assert (classes[135:, 104:156] == TORSO).all()
    assert np.abs(np.diff(share[90:, 128].astype(int))).max() <= 4
    np.testing.assert_array_equal(classes == HEAD, share > 127)


def test_a_map_without_hanging_hair_has_no_shared_pixels():
    likely = np.random.default_rng(1).dirichlet((1, 1, 1, 1), (64, 64)).astype(np.float32)
    likely = np.concatenate([likely, np.zeros((64, 64, 1), np.float32)], axis=2)
    classes, share = class_map(np.random.default_rng(2).integers(0, 255, (128, 128, 3), np.uint8), likely)
    assert set(np.unique(share)) == {0, 255}
    np.testing.assert_array_equal(classes == HEAD, share == 255)
    assert to_picture(classes, share).shape == (128, 128, 3)


def test_shares_are_kept_beside_colours_that_readers_of_colours_see_unchanged(tmp_path):
    rng = np.random.default_rng(3)
    share = rng.integers(0, 256, (40, 50)).astype(np.uint8)
    classes = np.where(share > 127, HEAD, rng.integers(NECK, TORSO + 1, (40, 50))).astype(np.uint8)
    classes[:8], share[:8] = BACKGROUND, 0
    write_image(tmp_path / "p.png", to_picture(classes, share))
    np.testing.assert_array_equal(head_share(read_rgb_or_rgba(tmp_path / "p.png")), share)
    np.testing.assert_array_equal(to_classes(read_rgb(tmp_path / "p.png")), classes)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "p.png"))[..., ::-1], COLOURS[classes])


def test_maps_of_other_programs_have_whole_heads(tmp_path):
    classes = np.random.default_rng(4).integers(0, 4, (9, 7)).astype(np.uint8)
    whole = np.where(classes == HEAD, 255, 0)
    np.testing.assert_array_equal(head_share(to_colours(classes)), whole)
    for alpha in (0, 255):  # of programs that write an alpha channel for another reason, or for none
        picture = np.concatenate([to_colours(classes), np.full((9, 7, 1), alpha, np.uint8)], axis=2)
        np.testing.assert_array_equal(head_share(picture), whole)
    grey = np.where(classes == BACKGROUND, 255, 0).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    assert read_rgb_or_rgba(tmp_path / "grey.png").shape == (9, 7, 3)
