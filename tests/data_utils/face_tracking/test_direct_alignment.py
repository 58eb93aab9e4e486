import numpy as np
import pytest

from data_utils.face_tracking.direct_alignment import FEWEST, align, correlations, look_up
from data_utils.face_tracking.perspective import Poses
from tests.data_utils.face_tracking.painted_head import CENTRE, FOCAL, look, paint, path, surface

CORNER = np.zeros(2)


@pytest.fixture(scope="module")
def points():
    x, y = np.meshgrid(np.linspace(-0.4, 0.4, 20), np.linspace(-0.6, 0.6, 30))
    return np.stack([x, y, surface(x, y)], -1).reshape(-1, 3)


def thirds(points):
    """The region of each point: the upper, the middle or the lower third."""
    return np.digitize(points[:, 1], [-0.2, 0.2])


def pixels_of(pose, points):
    x, y, z = (points @ pose.rotation[0].T + pose.translation[0]).T
    return (CENTRE[0] - FOCAL * x / z).astype(int), (CENTRE[1] + FOCAL * y / z).astype(int)


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
    agreement = np.empty((3, 3))
    seen = align(
        image, CORNER, points, rays, thirds(points), paint(points) - 128, np.ones(len(points)), rotation, translation,
        FOCAL, np.array(CENTRE), 20, agreement,
    )  # fmt: skip
    assert seen > FEWEST and correlations(agreement).min() > 0.99
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
    align(
        image, CORNER, points, rays, thirds(points), texture, precision, rotation, translation, FOCAL,
        np.array(CENTRE), 5, np.empty((3, 3)),
    )  # fmt: skip
    assert np.abs(rotation - true.rotation[0]).max() < 2e-3


def test_a_region_that_is_covered_does_not_pull_the_pose(points):
    true = path(3)[2:3]
    start = true.moved(np.array([[0.004, -0.005, 0.003, 0.01, -0.008, 0.02]]))
    image = (look(true)[0] - 128).astype(np.float32)
    hand = thirds(points) == 1
    shown_there = shown(true, points, image)[0]
    picture = image.copy()
    u, v = pixels_of(true, points[hand])
    picture[v.min() : v.max(), u.min() : u.max()] = np.roll(image, 9, axis=1)[v.min() : v.max(), u.min() : u.max()]
    turns, agreement = [], np.empty((3, 3))
    for region in (thirds(points), np.zeros(len(points), int)):  # with regions, and as if all were one
        rotation, translation = start.rotation[0].copy(), start.translation[0].copy()
        align(
            picture, CORNER, points, np.tile([0.0, 0.0, 1.0], (len(points), 1)), region, shown_there.astype(float),
            np.ones(len(points)), rotation, translation, FOCAL, np.array(CENTRE), 20, agreement,
        )  # fmt: skip
        turns.append(np.degrees(np.arccos(np.clip((np.trace(rotation @ true.rotation[0].T) - 1) / 2, -1, 1))))
        if region.any():
            assert correlations(agreement)[1] < 0.5 < 0.9 < correlations(agreement)[[0, 2]].min()
    assert turns[0] < 0.15 and turns[0] < turns[1]


def test_a_head_out_of_the_picture_is_left_where_it_is(points):
    pose = path(3)[1:2]
    rotation, translation = pose.rotation[0].copy(), pose.translation[0] + np.array([3.0, 0, 0])
    kept = rotation.copy(), translation.copy()
    seen = align(
        look(pose)[0].astype(np.float32), CORNER, points, np.tile([0.0, 0.0, 1.0], (len(points), 1)), thirds(points),
        paint(points) - 128, np.ones(len(points)), rotation, translation, FOCAL, np.array(CENTRE), 5, np.empty((3, 3)),
    )  # fmt: skip
    assert seen < FEWEST
    np.testing.assert_array_equal(rotation, kept[0])
    np.testing.assert_array_equal(translation, kept[1])
