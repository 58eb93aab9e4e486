"""Projection, its derivatives and pose fitting."""

from __future__ import annotations

import numpy as np

from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_tracking.perspective import Poses, fit_poses, pose_jacobian, project
from tests.data_utils.face_tracking.made_up_head import FOCAL, SIZE

CENTRE = (SIZE / 2, SIZE / 2)


def test_projects_like_a_nerf_camera():
    pose = Poses(np.eye(3)[None], np.array([[0.0, 0.0, -8.0]]))
    pixels = project(pose.transform(np.array([[0.0, 0, 0], [0.4, 0, 0], [0, 0.4, 0]])), 800.0, (200.0, 100.0))[0]
    np.testing.assert_allclose(pixels, [[200, 100], [240, 100], [200, 60]])


def test_jacobian_is_the_derivative(scene):
    poses = Poses(scene.rotation[:3], scene.translation[:3])
    points = poses.transform(scene.shape[:7])
    jacobian = pose_jacobian(points, poses.translation, FOCAL)
    for k in range(6):
        step = np.zeros((3, 6))
        step[:, k] = 1e-6
        ahead = project(poses.moved(step).transform(scene.shape[:7]), FOCAL, CENTRE)
        behind = project(poses.moved(-step).transform(scene.shape[:7]), FOCAL, CENTRE)
        np.testing.assert_allclose(jacobian[..., k], (ahead - behind) / 2e-6, atol=1e-3)


def test_another_head_frame_puts_the_same_points_in_the_same_place(scene):
    poses = Poses(scene.rotation, scene.translation)
    axes, origin = scene.rotation[5], np.array([0.3, -0.2, 0.5])
    moved = poses.reframed(axes, origin).transform((scene.shape - origin) @ axes.T)
    np.testing.assert_allclose(moved, poses.transform(scene.shape), atol=1e-9)


def test_finds_poses_in_spite_of_outliers_and_unused_points(scene):
    rng = np.random.default_rng(0)
    seen = scene.pixels(scene.shape)
    seen[:, ::10] += 60.0
    seen[:, 400:] = rng.uniform(0, 400, seen[:, 400:].shape)
    noise = np.where(np.arange(478) < 400, 0.5, np.inf)
    count = len(seen)
    start = Poses(np.tile(np.eye(3), (count, 1, 1)), np.tile([0.0, 0.0, -7.0], (count, 1)))
    found = fit_poses(scene.shape, seen, noise, FOCAL, CENTRE, start, iterations=25)
    assert rms(angle_errors(found.rotation, scene.rotation)) < 0.1
    assert np.abs(found.translation - scene.translation).max() < 0.02
