import numpy as np
import pytest

from data_utils.face_tracking.direct_alignment import align, look_up
from data_utils.face_tracking.perspective import Poses
from tests.data_utils.face_tracking.painted_head import CENTRE, FOCAL, look, paint, path, surface

CORNER = np.zeros(2)


@pytest.fixture(scope="module")
def points():
    x, y = np.meshgrid(np.linspace(-0.4, 0.4, 20), np.linspace(-0.6, 0.6, 30))
    return np.stack([x, y, surface(x, y)], -1).reshape(-1, 3)


def shown(pose, points, image=None):
    image = look(pose)[0].astype(np.float32) if image is None else image
    values, slopes = np.empty(len(points), np.float32), np.empty((len(points), 7), np.float32)
    rays = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    look_up(image, CORNER, points, rays, pose.rotation[0], pose.translation[0], FOCAL, np.array(CENTRE), values, slopes)
    return values, slopes


def test_a_picture_shows_the_paint_at_the_points(points):
    values, _ = shown(path(3)[1:2], points)
    assert np.abs(values - paint(points)).mean() < 1.0


def test_slopes_are_the_differences_of_values(points):
    pose = path(3)[1:2]
    image = look(pose)[0].astype(np.float32)
    _, slopes = shown(pose, points, image)
    for i, size in enumerate([2e-4] * 3 + [1e-3] * 3):
        step = np.zeros((1, 6))
        step[0, i] = size
        there, _ = shown(pose.moved(step), points, image)
        back, _ = shown(pose.moved(-step), points, image)
        assert np.corrcoef((there - back) / (2 * size), slopes[:, i])[0, 1] > 0.98
    there, _ = shown(pose, points + np.array([0, 0, 0.01]), image)
    back, _ = shown(pose, points - np.array([0, 0, 0.01]), image)
    assert np.corrcoef((there - back) / 0.02, slopes[:, 6])[0, 1] > 0.98


def test_points_turned_away_or_outside_are_not_seen(points):
    pose = path(3)[1:2]
    around = Poses(pose.rotation @ np.diag([-1.0, 1.0, -1.0]), pose.translation)
    assert np.isnan(shown(around, points)[0]).all()
    aside = Poses(pose.rotation, pose.translation + np.array([3.0, 0, 0]))
    assert np.isnan(shown(aside, points)[0]).all()


@pytest.mark.parametrize("gain", [0.8, 1.25])
def test_alignment_finds_the_pose_whatever_the_brightness(points, gain):
    true = path(3)[2:3]
    start = true.moved(np.array([[0.008, -0.01, 0.006, 0.02, -0.015, 0.05]]))
    image = ((look(true)[0] - 128) * gain).astype(np.float32)
    rotation, translation = start.rotation[0].copy(), start.translation[0].copy()
    rays = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    correlation = align(
        image, CORNER, points, rays, paint(points) - 128, np.ones(len(points)), rotation, translation, FOCAL,
        np.array(CENTRE), 20,
    )  # fmt: skip
    assert correlation > 0.99
    turn = np.degrees(np.arccos(np.clip((np.trace(rotation @ true.rotation[0].T) - 1) / 2, -1, 1)))
    assert turn < 0.1
    assert np.abs(translation - true.translation[0])[:2].max() < 0.002


def test_a_point_without_precision_has_no_say(points):
    true = path(3)[2:3]
    image = (look(true)[0] - 128).astype(np.float32)
    texture, precision = paint(points) - 128, np.ones(len(points))
    texture[::3], precision[::3] = 1000.0, 0.0
    rotation, translation = true.rotation[0].copy(), true.translation[0].copy()
    rays = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    align(image, CORNER, points, rays, texture, precision, rotation, translation, FOCAL, np.array(CENTRE), 5)
    assert np.abs(rotation - true.rotation[0]).max() < 2e-3
