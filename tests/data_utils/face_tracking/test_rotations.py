"""Rotations and the Euler convention of a dataset folder."""

from __future__ import annotations

import numpy as np
import pytest

from data_utils.face_tracking import rotations


def turn(axis: int, angle: float) -> np.ndarray:
    """Right-handed rotation about x, y or z, written out."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def test_euler_angles_are_x_then_y_then_z_in_product_order():
    angles = np.array([0.3, -0.5, 0.8])
    expected = turn(0, 0.3) @ turn(1, -0.5) @ turn(2, -0.8)
    np.testing.assert_allclose(rotations.euler_to_matrix(angles), expected, atol=1e-12)
    np.testing.assert_allclose(rotations.matrix_to_euler(expected), angles, atol=1e-12)


def test_a_head_turned_to_its_left_looks_to_the_right_of_the_image():
    nose = np.array([0.0, 0.0, 1.0])
    assert (rotations.euler_to_matrix(np.array([0, 0.3, 0])) @ nose)[0] > 0.2
    assert (rotations.euler_to_matrix(np.array([0.3, 0, 0])) @ nose)[1] < -0.2  # a nod looks down


def test_log_undoes_exp_for_batches():
    vectors = np.random.default_rng(0).normal(0, 0.8, (4, 5, 3))
    np.testing.assert_allclose(rotations.log(rotations.exp(vectors)), vectors, atol=1e-9)


def test_cross_matrix_crosses():
    a, b = np.random.default_rng(1).normal(size=(2, 6, 3))
    np.testing.assert_allclose((rotations.cross_matrix(a) @ b[..., None])[..., 0], np.cross(a, b), atol=1e-12)


@pytest.mark.parametrize("known", [[0, 4], [1, 3, 4], [2]])
def test_lost_rotations_lie_on_the_arc_between_their_neighbours(known):
    angles = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    true = np.stack([turn(1, angle) for angle in angles])
    found = np.isin(np.arange(5), known)
    given = np.where(found[:, None, None], true, turn(0, 2.0))
    expected = np.interp(angles, angles[found], angles[found])
    filled = rotations.interpolate(given, found)
    np.testing.assert_allclose(filled, np.stack([turn(1, angle) for angle in expected]), atol=1e-9)
