"""Motions as chains, and the poses they begin with."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from data_utils.face_tracking.motion import Motion, solve_chain
from data_utils.face_tracking.orthographic_pose import orthographic_poses
from data_utils.face_tracking.perspective import Poses


def test_a_chain_is_solved_as_one_system():
    rng = np.random.default_rng(0)
    count, size = 7, 4
    link = rng.uniform(0.5, 1.5, size)
    blocks = np.stack([(a := rng.normal(size=(size, size))) @ a.T + 4 * np.eye(size) for _ in range(count)])
    side = rng.normal(size=(count, size))
    whole = np.zeros((count * size, count * size))
    for i in range(count):
        rows = slice(i * size, (i + 1) * size)
        whole[rows, rows] = blocks[i]
        if i:
            before = slice((i - 1) * size, i * size)
            whole[rows, before] = whole[before, rows] = -np.diag(link)
    np.testing.assert_allclose(
        solve_chain(blocks, side, link), np.linalg.solve(whole, side.ravel()).reshape(count, size)
    )


def test_frames_without_a_face_are_interpolated():
    turn = Rotation.from_euler("Y", np.arange(5) * 4.0, degrees=True).as_matrix()
    place = np.stack([np.arange(5.0), np.zeros(5), np.full(5, -8.0)], axis=-1)
    motion = Motion(Poses(turn.copy(), place.copy()), np.arange(10.0).reshape(5, 2))
    found = np.array([True, False, False, True, True])
    motion.poses.rotation[1:3], motion.poses.translation[1:3], motion.expression[1:3] = np.eye(3), 99.0, 99.0
    held = motion.held(found)
    np.testing.assert_allclose(held.poses.rotation, turn, atol=1e-9)
    np.testing.assert_allclose(held.poses.translation, place)
    np.testing.assert_allclose(held.expression, np.arange(10.0).reshape(5, 2))


def test_a_step_of_a_pose_is_bounded_and_one_of_the_expression_is_not():
    motion = Motion(Poses(np.eye(3)[None], np.array([[0.0, 0.0, -4.0]])), np.zeros((1, 3)))
    moved = motion.moved(np.array([[5.0, 0, 0, 0, 0, 0, 7.0, 0, 0]]), hold_poses=False)
    assert abs(np.arccos((np.trace(moved.poses.rotation[0]) - 1) / 2) - 0.2) < 1e-9
    assert moved.expression[0, 0] == 7.0


def test_an_orthographic_view_is_recovered_exactly():
    rng = np.random.default_rng(1)
    shape = rng.normal(size=(11, 3))
    rotation = Rotation.from_euler("XYZ", rng.uniform(-0.4, 0.4, (5, 3))).as_matrix()
    scale, origin = rng.uniform(80, 120, 5), rng.uniform(200, 300, (5, 2))
    seen = origin[:, None] + scale[:, None, None] * np.einsum("nij,pj->npi", rotation, shape)[..., :2] * (1, -1)
    found = orthographic_poses(shape, seen, np.ones(11))
    for value, true in zip(found, (rotation, scale, origin), strict=True):
        np.testing.assert_allclose(value, true, atol=1e-8)
