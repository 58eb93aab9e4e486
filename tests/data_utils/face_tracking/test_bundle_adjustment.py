"""Shape, focal length and poses from noisy observations."""

from __future__ import annotations

import numpy as np

from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_tracking.bundle_adjustment import Priors, adjust, choose_key_frames, fit_shape
from data_utils.face_tracking.perspective import Poses
from tests.data_utils.face_tracking.made_up_head import FOCAL, SIZE

CENTRE = (SIZE / 2, SIZE / 2)


def relief(shape: np.ndarray) -> np.ndarray:
    """A shape without place, size and tilt: depth left over by the best affine map of x and y."""
    frame = np.column_stack([shape[:, :2], np.ones(len(shape))])
    rest = shape[:, 2] - frame @ np.linalg.lstsq(frame, shape[:, 2], rcond=None)[0]
    return rest / np.linalg.norm(shape[454] - shape[234])


def test_recovers_shape_focal_and_poses_from_a_wrong_start(scene):
    rng = np.random.default_rng(0)
    seen = scene.pixels(scene.shape) + rng.normal(0, 0.1, (len(scene.rotation), 478, 2))
    flattened = scene.shape * [1, 1, 0.85] + rng.normal(0, 0.03, scene.shape.shape)
    count = len(seen)
    start = Poses(np.tile(np.eye(3), (count, 1, 1)), np.tile([0, 0, -10.0], (count, 1)))
    priors = Priors(1.25 * FOCAL, focal_spread=0.5, shape_spread=0.2, evidence=1.0)
    found = adjust(seen, start, flattened, np.full(478, 0.1), CENTRE, priors, iterations=40)
    assert abs(found.focal / FOCAL - 1) < 0.03
    assert rms(angle_errors(found.poses.rotation, scene.rotation)) < 0.1
    before, after = (np.abs(relief(shape) - relief(scene.shape)).mean() for shape in (flattened, found.shape))
    assert after < 0.1 * before


def test_unseen_observations_do_not_count(scene):
    rng = np.random.default_rng(1)
    seen = scene.pixels(scene.shape)
    visible = rng.random(seen.shape[:2]) < 0.5
    seen[~visible] = 1e4
    start = Poses(scene.rotation, scene.translation)
    found = adjust(seen, start, scene.shape, np.full(478, 0.2), CENTRE, Priors(FOCAL), visible, iterations=4)
    assert rms(angle_errors(found.poses.rotation, scene.rotation)) < 1e-3
    assert (found.noise == 0.2).all()


def test_a_still_head_keeps_its_first_shape_and_focal(scene):
    count = 30
    still = np.repeat(scene.pixels(scene.shape)[:1], count, axis=0)
    still = still + np.random.default_rng(2).normal(0, 0.5, still.shape)
    start = Poses(np.repeat(scene.rotation[:1], count, 0), np.repeat(scene.translation[:1], count, 0))
    found = adjust(still, start, scene.shape, np.full(478, 0.5), CENTRE, Priors(FOCAL))
    assert np.abs(found.shape - scene.shape).mean() < 0.02
    assert abs(found.focal / FOCAL - 1) < 0.05


def test_noisy_points_are_recognised(scene):
    rng = np.random.default_rng(3)
    seen = scene.pixels(scene.shape) + rng.normal(0, 0.3, (len(scene.rotation), 478, 2))
    seen[:, 50:60] += rng.normal(0, 1.2, seen[:, 50:60].shape)
    found = adjust(
        seen, Poses(scene.rotation, scene.translation), scene.shape, np.full(478, 0.3), CENTRE, Priors(FOCAL)
    )
    assert found.noise[50:60].min() > 0.9 and np.median(found.noise) < 0.35


def test_fits_a_shape_under_known_poses(scene):
    start = scene.shape + np.random.default_rng(4).normal(0, 0.05, scene.shape.shape)
    priors = Priors(FOCAL, shape_spread=1.0, evidence=1.0)
    poses = Poses(scene.rotation, scene.translation)
    found = fit_shape(scene.pixels(scene.shape), poses, start, np.full(478, 0.5), FOCAL, CENTRE, priors, iterations=20)
    np.testing.assert_allclose(found, scene.shape, atol=2e-3)


def test_key_frames_cover_the_poses_and_leave_lost_frames_out(scene):
    usable = np.ones(len(scene.rotation), bool)
    usable[10:20] = False
    frames = choose_key_frames(scene.rotation, usable, 12)
    assert len(frames) == len(set(frames)) == 12 and usable[frames].all()
    yaw = np.arcsin(scene.rotation[usable, 0, 2])
    chosen = np.arcsin(scene.rotation[frames, 0, 2])
    assert chosen.max() > yaw.max() - 0.01 and chosen.min() < yaw.min() + 0.01
