"""Corrections of tracked poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from gaussian_renderer.render import render
from scene.cameras import Camera
from scene.rigid_motion import left_product, rotation_matrix
from tests.tiny_head import make_head
from training.pose_corrections import PoseCorrections


def test_quaternions_turn_as_scipys_do():
    torch.manual_seed(0)
    a, b = torch.nn.functional.normalize(torch.randn(2, 6, 4).double(), dim=-1)
    scipy_a, scipy_b = (Rotation.from_quat(q.numpy()[:, [1, 2, 3, 0]]) for q in (a, b))
    assert np.allclose(rotation_matrix(a), scipy_a.as_matrix())
    product = Rotation.from_quat((left_product(a) @ b[..., None])[..., 0].numpy()[:, [1, 2, 3, 0]])
    assert np.allclose(product.as_matrix(), (scipy_a * scipy_b).as_matrix())


def test_a_correction_turns_and_moves_the_head():
    head = make_head().static().detach()
    poses = PoseCorrections(3)
    with torch.no_grad():
        poses.values[1] = torch.tensor([0.0, 0.02, 0.0, 0.1, 0.0, 0.0])
    moved = poses(torch.tensor([0, 1])).move(head)
    assert torch.allclose(moved.means[0], head.means)
    turn = Rotation.from_rotvec([0, 0.02, 0]).as_matrix()
    assert np.allclose(moved.means[1].detach(), head.means.numpy() @ turn.T + [0.1, 0, 0], atol=1e-4)


def test_a_corrected_head_looks_as_a_corrected_camera_would_show_it():
    head = make_head().static().detach()
    head = replace(head, scales=head.scales * torch.tensor([3.0, 1.0, 0.3]))  # so that a wrong turn shows
    poses = PoseCorrections(1)
    with torch.no_grad():
        poses.values[0] = torch.tensor([0.15, -0.1, 0.2, 0.3, -0.2, 0.1])
    quaternion = np.r_[poses.values[0, :3].detach().numpy() / 2, 1]  # scipy normalises it
    motion = torch.eye(4)
    motion[:3, :3] = torch.from_numpy(Rotation.from_quat(quaternion).as_matrix())
    motion[:3, 3] = poses.values[0, 3:].detach()
    view = torch.eye(4)[None]
    view[:, 2, 3] = 6.0
    moved = render(poses(torch.tensor([0])).move(head), Camera.from_focal(view, 60.0, 32, 32)).image
    expected = render(head, Camera.from_focal(view @ motion, 60.0, 32, 32)).image
    assert torch.allclose(moved, expected, atol=1e-3)
    assert not torch.allclose(expected, render(head, Camera.from_focal(view, 60.0, 32, 32)).image, atol=0.1)


def test_only_the_frames_that_are_seen_are_corrected():
    poses = PoseCorrections(4)
    poses(torch.tensor([2, 0])).move(make_head().static()).means.square().sum().backward()
    assert poses.values.grad is not None
    assert poses.values.grad.abs().amax(dim=1).bool().tolist() == [True, False, True, False]


def test_corrections_have_no_common_drift():
    poses = PoseCorrections(5)
    with torch.no_grad():
        poses.values.copy_(torch.arange(30.0).reshape(5, 6))
    poses.remove_drift()
    assert torch.allclose(poses.values.mean(0), torch.zeros(6), atol=1e-6)
    assert torch.allclose(poses.values[1] - poses.values[0], torch.full((6,), 6.0))


def test_frames_that_are_not_learnt_have_no_say_in_the_drift():
    poses = PoseCorrections(5, learnt=[0, 2, 4])
    with torch.no_grad():
        poses.values.copy_(torch.arange(30.0).reshape(5, 6))
        poses.values[[1, 3]] = 1000.0
    poses.remove_drift()
    assert torch.allclose(poses.values[[0, 2, 4]].mean(0), torch.zeros(6), atol=1e-6)
