"""Rigid points a block of frames at a time: as all at once, and in memory that hardly grows with the clip."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from data_utils.face_tracking.expression import head_frame_vertices
from data_utils.face_tracking.initial_shape import fit_orthographic
from data_utils.face_tracking.perspective import Poses, fit_poses
from data_utils.face_tracking.rigid_points import Observed, RigidPoints
from tests.data_utils.face_tracking.made_up_head import FOCAL, SIZE, Scene, make_scene

CENTRE = (SIZE / 2, SIZE / 2)


@pytest.fixture(scope="module")
def long() -> Scene:
    """A clip of more frames than are handled at once."""
    return make_scene(2500)


def peak_memory(function) -> int:
    """Bytes that a function has at once beside its arguments; what it loads at its first call does not count."""
    function()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


def first_frames(scene: Scene, count: int) -> Scene:
    return Scene(scene.shape, scene.rotation[:count], scene.translation[:count], scene.landmarks[:count])


def points_of(scene: Scene, count: int) -> RigidPoints:
    """Two kinds of points; of the first a frame shows some, of the second one is left out."""
    rng = np.random.default_rng(2)
    pixels = scene.pixels(scene.shape[: 2 * count]) + rng.normal(0, 0.3, (len(scene.rotation), 2 * count, 2))
    noise = np.full(count, 0.3)
    seen = rng.uniform(size=(len(pixels), count)) < 0.6
    beside = np.where(np.arange(count) == 3, np.inf, 0.5)
    first = Observed(pixels[:, :count].astype(np.float32), noise, seen)
    return RigidPoints(scene.shape[: 2 * count], (first, Observed(pixels[:, count:], beside)))


def test_poses_and_distances_are_those_of_one_table(long):
    points, start = points_of(long, 20), Poses(long.rotation, long.translation + 0.02)
    first, second = points.observed
    pixels = np.concatenate([first.pixels, second.pixels], axis=1)
    spread = np.concatenate([np.where(first.seen, first.noise, np.inf), np.tile(second.noise, (2500, 1))], axis=1)
    expected = fit_poses(points.places, pixels, spread, FOCAL, CENTRE, start)
    found = points.poses(FOCAL, CENTRE, start)
    np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-6)
    np.testing.assert_allclose(found.translation, expected.translation, atol=1e-5)
    distance = points.reprojection(found, np.ones(2500, bool), FOCAL, CENTRE)
    assert distance.shape == (2500,) and 0.3 < np.median(distance) < 0.5  # 0.3 both ways


def test_points_that_a_frame_does_not_show_have_no_say(long):
    points = points_of(long, 20)
    first, second = points.observed
    wild = np.where(first.seen[..., None], first.pixels, 1e4).astype(np.float32)
    start = Poses(long.rotation, long.translation)
    found = RigidPoints(points.places, (Observed(wild, first.noise, first.seen), second)).poses(FOCAL, CENTRE, start)
    np.testing.assert_allclose(found.translation, points.poses(FOCAL, CENTRE, start).translation, atol=1e-9)


def test_the_memory_of_distances_hardly_grows_with_the_clip(long):
    def measure(count: int) -> int:
        points, start = points_of(first_frames(long, count), 150), Poses(long.rotation, long.translation)[:count]
        return peak_memory(lambda: points.reprojection(start, np.ones(count, bool), FOCAL, CENTRE))

    assert measure(2500) - measure(1250) < 1250 * 300 * 2 * 8  # a table of the pixels of all points alone


def test_vertices_take_little_more_memory_than_themselves(long):
    vertices = []

    def measure(count: int) -> int:
        landmarks, found = long.landmarks[:count].astype(np.float32), np.ones(count, bool)
        found[100:120] = found[1200] = False
        poses = Poses(long.rotation, long.translation)[:count]
        return peak_memory(
            lambda: vertices.append(head_frame_vertices(landmarks, found, poses, long.shape, FOCAL, CENTRE))
        )

    assert measure(2500) - measure(1250) < 4 * 1250 * 478 * 3 * 4  # of the landmarks themselves
    assert vertices[0].dtype == np.float32 and len(vertices[0]) == 2500
    assert np.linalg.norm(vertices[0] - long.shape, axis=-1).max() < 0.05  # nothing moves but the head


def test_the_first_shape_takes_no_copies_of_a_long_clips_landmarks(long):
    landmarks = np.concatenate([long.landmarks, long.landmarks[::-1]]).astype(np.float32)
    fits = []

    def measure(count: int) -> int:
        return peak_memory(lambda: fits.append(fit_orthographic(landmarks[:count], rounds=2)))

    assert measure(5000) - measure(2500) < landmarks[:2500].nbytes
    assert fits[0].rotation.shape == (5000, 3, 3)
    np.testing.assert_allclose(fits[0].shape, fits[-1].shape, atol=0.02)
