"""Skin found again where it is seen at another slant and under another light."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from data_utils.face_tracking import rotations
from data_utils.face_tracking.perspective import Poses, project
from data_utils.face_tracking.skin_patches import Sight, Skin, local_contrast, match, match_warped

SIDE, FOCAL, WINDOW, STRAY = 256, 500.0, 11, 8.0
CENTRE = (SIDE / 2, SIDE / 2)
FRONT = Poses(np.eye(3)[None], np.array([[0.0, 0.0, -8.0]]))


@pytest.fixture(scope="module")
def paint() -> np.ndarray:
    """A wall of 4 x 4 dm, 600 pixels wide."""
    fine = gaussian_filter(np.random.default_rng(0).normal(size=(600, 600)), 3.0)
    return (128 + 30 * fine / fine.std()).astype(np.float32)


def turned(degrees: float) -> Poses:
    return Poses(rotations.exp(np.array([[0.0, np.radians(degrees), 0.0]])), np.array([[0.1, -0.05, -8.2]]))


def seen(paint: np.ndarray, pose: Poses) -> np.ndarray:
    """The wall, which is the plane z = 0 of the head's frame, before the camera."""
    x, y = np.meshgrid(*[(np.arange(SIDE) + 0.5 - SIDE / 2) / FOCAL] * 2)
    rays = np.stack([x, -y, -np.ones_like(x)], -1) @ pose.rotation[0]
    origin = -pose.translation[0] @ pose.rotation[0]
    wall = origin - rays * (origin[2] / rays[..., 2])[..., None]
    columns, rows = (wall[..., 0] + 2) * 150 - 0.5, (2 - wall[..., 1]) * 150 - 0.5
    return cv2.remap(paint, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_CUBIC)


def in_light(picture: np.ndarray, slope: float) -> np.ndarray:
    """Darker to one side, and with a shade across it."""
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    light = 0.8 + slope * across - 0.25 / (1 + np.exp(-across * 12))
    return np.clip(picture * light, 0, 255).astype(np.uint8)


def skin(picture: np.ndarray) -> Skin:
    """Points all over the middle of the wall as the front view ``picture`` shows them."""
    x, y = (part.ravel() for part in np.meshgrid(*[np.linspace(-0.7, 0.7, 8)] * 2))
    points = np.stack([x, y, np.zeros_like(x)], -1)
    pixels = project(FRONT.transform(points), FOCAL, CENTRE)[0]
    return Skin(0, local_contrast(picture), FRONT, pixels, points, np.tile([0.0, 0.0, 1.0], (len(points), 1)))


def errors(found: tuple[np.ndarray, np.ndarray], truth: Poses, of: Skin) -> np.ndarray:
    """Pixels off, of the points that were found: nearly all."""
    pixels, held = found
    assert held.mean() > 0.9
    return np.linalg.norm(pixels - project(truth.transform(of.points), FOCAL, CENTRE)[0], axis=-1)[held]


@pytest.mark.parametrize("degrees", [-45, 30])
def test_a_patch_is_found_at_another_slant_from_a_pose_that_is_a_little_off(paint, degrees):
    truth = turned(degrees)
    first = truth.moved(np.array([[0.01, 0.015, -0.01, 0.02, 0.02, 0.1]]))
    frame, points = local_contrast(in_light(seen(paint, truth), 0)), skin(in_light(seen(paint, FRONT), 0))
    warped = errors(match_warped(points, Sight(frame, first, FOCAL, CENTRE), WINDOW, STRAY), truth, points)
    assert np.median(warped) < 0.1
    as_it_is, held = match(points, Sight(frame, first, FOCAL, CENTRE), WINDOW, STRAY)
    off = np.linalg.norm(as_it_is - project(truth.transform(points.points), FOCAL, CENTRE)[0], axis=-1)
    assert np.median(np.where(held, off, np.inf)) > 2 * np.median(warped)


def test_light_that_stays_while_the_skin_moves_does_not_pull_it_along(paint):
    truth = Poses(np.eye(3)[None], np.array([[0.06, 0.04, -8.0]]))
    faint = 128 + (paint - 128) / 5  # as skin is
    before, after = (in_light(seen(faint, pose), 0.15) for pose in (FRONT, truth))
    points = skin(before)
    grey = replace(points, contrast=before)
    by_contrast = errors(
        match(points, Sight(local_contrast(after), FRONT, FOCAL, CENTRE), WINDOW, STRAY), truth, points
    )
    by_grey = errors(match(grey, Sight(after, FRONT, FOCAL, CENTRE), WINDOW, STRAY), truth, points)
    assert np.median(by_contrast) < 0.1
    assert np.quantile(by_contrast, 0.9) < 0.5 * np.quantile(by_grey, 0.9)  # where the shade passes


def test_local_contrast_is_the_same_in_every_light(paint):
    picture = seen(paint, FRONT)
    bright, dark = (local_contrast(in_light(picture, slope)).astype(float) for slope in (-0.15, 0.15))
    assert np.abs(bright - dark).mean() < 0.15 * bright.std()
    np.testing.assert_array_equal(local_contrast(np.full((40, 30), 77, np.uint8)), 128)


def test_what_turns_away_or_is_beside_the_picture_is_not_looked_for(paint):
    points = skin(in_light(seen(paint, FRONT), 0))
    frame = local_contrast(in_light(seen(paint, FRONT), 0))
    for pose in (turned(75), FRONT.moved(np.array([[0, 0, 0, 5.0, 0, 0]]))):
        assert not match_warped(points, Sight(frame, pose, FOCAL, CENTRE), WINDOW, STRAY)[1].any()
    half = FRONT.moved(np.array([[0, 0, 0, 1.6, 0, 0]]))
    pixels, held = match_warped(
        points, Sight(local_contrast(in_light(seen(paint, half), 0)), half, FOCAL, CENTRE), WINDOW, 3
    )
    assert 0.2 < held.mean() < 0.9
    margin = 2 * (WINDOW + 1)
    assert (pixels[held] < SIDE - margin + 3).all()


def test_matches_far_from_where_they_are_expected_do_not_hold(paint):
    points = skin(in_light(seen(paint, FRONT), 0))
    frame = local_contrast(in_light(seen(paint, Poses(np.eye(3)[None], np.array([[0.06, 0, -8.0]]))), 0))
    for find in (match, match_warped):
        assert find(points, Sight(frame, FRONT, FOCAL, CENTRE), WINDOW, 6.0)[1].mean() > 0.9
        assert find(points, Sight(frame, FRONT, FOCAL, CENTRE), WINDOW, 3.0)[1].mean() < 0.1
