"""How much of a head's rim is the head's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from imaging.matte import matted

SIDE = 340
WALL = np.full((SIDE, SIDE, 3), (20, 90, 220), np.uint8)


def disc(radius: float, softness: float) -> np.ndarray:
    """Opacity 0..1 of a disc in the middle."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.clip((radius - np.hypot(x - SIDE / 2, y - SIDE / 2)) / softness + 0.5, 0, 1)


def picture(opacity: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE, 1))
    head = np.array(colour) + cv2.GaussianBlur(noise, (0, 0), 1.0)[..., None] * 3
    return np.clip(np.rint(head * opacity[..., None] + WALL * (1 - opacity[..., None])), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("off", [-1.0, 0.0, 1.0])
def test_the_rims_share_is_what_its_colours_say_wherever_parsing_drew_the_line(off):
    opacity = disc(80, 2.0)
    parsed = np.where(disc(80 + off, 0.01) > 0.5, np.uint8(255), np.uint8(0))
    share = matted(parsed, picture(opacity, (90, 60, 40)), WALL, SIDE) / 255
    assert np.abs(share - opacity).max() < 0.15 and np.abs(share - opacity)[(opacity > 0) & (opacity < 1)].mean() < 0.04
    assert np.abs(parsed / 255 - opacity).max() > 0.4  # as it was


def test_where_colours_do_not_tell_parsing_does():
    parsed = np.where(disc(80, 0.01) > 0.5, np.uint8(255), np.uint8(0))
    np.testing.assert_array_equal(matted(parsed, picture(disc(76, 3.0), (30, 100, 210)), WALL, SIDE), parsed)
    np.testing.assert_array_equal(matted(np.zeros_like(parsed), WALL, WALL, SIDE), 0)
    speck = np.zeros_like(parsed)
    speck[5:7, 5:7] = 255  # all of it is rim: no colour is known to be the head's
    np.testing.assert_array_equal(matted(speck, WALL, WALL, SIDE), speck)


def test_hair_that_is_shared_with_the_torso_stays_as_it_is():
    parsed = np.where(disc(80, 0.01) > 0.5, np.uint8(255), np.uint8(0))
    parsed[SIDE // 2 + 40 :][parsed[SIDE // 2 + 40 :] > 0] = 120
    share = matted(parsed, picture(disc(78, 3.0), (90, 60, 40)), WALL, SIDE)
    np.testing.assert_array_equal(share[parsed == 120], 120)
    assert (share != parsed).any()
