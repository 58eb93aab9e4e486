"""Corrections of tracked poses."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from tests.tiny_head import make_head
from training.poses import PoseCorrections, quaternion_product, rotation_matrix


def test_quaternions_turn_as_scipys_do():
    torch.manual_seed(0)
    a, b = torch.nn.functional.normalize(torch.randn(2, 6, 4).double(), dim=-1)
    scipy_a, scipy_b = (Rotation.from_quat(q.numpy()[:, [1, 2, 3, 0]]) for q in (a, b))
    assert np.allclose(rotation_matrix(a), scipy_a.as_matrix())
    product = Rotation.from_quat(quaternion_product(a, b).numpy()[:, [1, 2, 3, 0]])
    assert np.allclose(product.as_matrix(), (scipy_a * scipy_b).as_matrix())


def test_a_correction_turns_and_moves_the_head():
    head = make_head().static().detach()
    poses = PoseCorrections(3)
    with torch.no_grad():
        poses.values[1] = torch.tensor([0.0, 0.02, 0.0, 0.1, 0.0, 0.0])
    moved = poses(head, torch.tensor([0, 1]))
    assert torch.allclose(moved.means[0], head.means)
    turn = Rotation.from_rotvec([0, 0.02, 0]).as_matrix()
    assert np.allclose(moved.means[1].detach(), head.means.numpy() @ turn.T + [0.1, 0, 0], atol=1e-4)


def test_corrections_have_no_common_drift():
    poses = PoseCorrections(5)
    with torch.no_grad():
        poses.values.copy_(torch.arange(30.0).reshape(5, 6))
    poses.remove_drift()
    assert torch.allclose(poses.values.mean(0), torch.zeros(6), atol=1e-6)
    assert torch.allclose(poses.values[1] - poses.values[0], torch.full((6,), 6.0))
