"""What is behind the head."""

from __future__ import annotations

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from media.images import read_rgb, write_image
from scene.backdrop import Backdrops
from tests.tiny_head import SIZE, make_dataset


def test_the_torso_lies_over_the_clean_background(tmp_path):
    folder = make_dataset(tmp_path / "set")
    picture = Backdrops(folder)[0]
    wall = read_rgb(folder.background)
    assert np.array_equal(picture[:40], wall[:40])
    assert (picture[50:] == (150, 30, 30)).all()


def test_half_covered_pixels_are_mixed(tmp_path):
    folder = make_dataset(tmp_path / "set")
    write_image(folder.background, np.full((SIZE, SIZE, 3), 100, np.uint8))
    write_image(folder.torso_image(3), np.full((SIZE, SIZE, 4), (200, 0, 50, 51), np.uint8))
    wall = int(read_rgb(folder.background)[0, 0, 0])
    expected = np.round(np.array([200, 0, 50]) * 0.2 + wall * 0.8)
    assert np.abs(Backdrops(folder)[3][0, 0] - expected).max() <= 1


def test_nothing_of_the_clips_room_clings_to_a_torso_before_another(tmp_path):
    folder = make_dataset(tmp_path / "set")
    torso = np.zeros((SIZE, SIZE, 4), np.uint8)
    torso[20:] = (200, 0, 50, 255)
    torso[18:20] = (100, 100, 100, 128)  # half of it wall
    torso[20:22, :, :3] = (150, 50, 75)  # a quarter
    write_image(folder.torso_image(3), torso)
    backdrops = Backdrops(folder)
    green = np.full((SIZE, SIZE, 3), (0, 255, 0), np.uint8)
    picture = backdrops.compose(3, green)
    assert (picture[:18] == (0, 255, 0)).all() and (picture[20:] == (200, 0, 50)).all()
    assert np.abs(picture[18:20].astype(int) - (100, 127, 25)).max() <= 1
    assert (backdrops.cut_out(3)[18:, :, :3] == (200, 0, 50)).all()
    np.testing.assert_array_equal(backdrops.torso(3), torso)
    write_image(folder.torso_image(4), np.zeros_like(torso))
    assert not backdrops.cut_out(4)[..., 3].any()  # nobody


def test_a_torso_of_another_size_is_refused(tmp_path):
    folder = make_dataset(tmp_path / "set")
    write_image(folder.torso_image(3), np.zeros((SIZE // 2, SIZE, 4), np.uint8))
    with pytest.raises(EGSTalkerError, match="differ in size"):
        Backdrops(folder)[3]


def test_few_pictures_are_kept(tmp_path):
    backdrops = Backdrops(make_dataset(tmp_path / "set"), capacity=2)
    for i in (0, 1, 2, 1):
        backdrops[i]
    assert list(backdrops._kept) == [2, 1]
