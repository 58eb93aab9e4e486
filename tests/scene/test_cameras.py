"""Cameras: the conversion between conventions, and where points land."""

from __future__ import annotations

import math

import pytest
import torch

from scene.cameras import Camera, nerf_to_opencv


def head_pose(pitch: float, yaw: float, roll: float, translation: list[float]) -> torch.Tensor:
    """[R | t] with R = Rx(pitch) Ry(yaw) Rz(roll), written out by hand; camera with y up and z back."""
    cx, sx, cy, sy, cz, sz = (f(a) for a in (pitch, yaw, roll) for f in (math.cos, math.sin))
    rx = torch.tensor([[1, 0, 0], [0, cx, -sx], [0, sx, cx]], dtype=torch.float64)
    ry = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]], dtype=torch.float64)
    rz = torch.tensor([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]], dtype=torch.float64)
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = rx @ ry @ rz
    pose[:3, 3] = torch.tensor(translation, dtype=torch.float64)
    return pose


def test_projects_a_landmark_where_the_data_sets_formula_puts_it():
    pose = head_pose(0.2, -0.4, 0.1, [0.3, -0.2, -11.0])
    landmark = torch.tensor([0.55, 0.35, 0.8], dtype=torch.float64)
    x, y, z = (pose[:3, :3] @ landmark + pose[:3, 3]).tolist()
    expected = [256 + 1200 * x / -z, 256 - 1200 * y / -z]
    camera = Camera.from_focal(nerf_to_opencv(torch.linalg.inv(pose))[None], 1200.0, 512, 512)
    assert camera.project(landmark[None])[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_a_facing_head_is_upright_and_not_mirrored():
    camera = Camera.from_focal(nerf_to_opencv(torch.linalg.inv(head_pose(0, 0, 0, [0, 0, -10])))[None], 500, 100, 80)
    left_eye, crown, nose = camera.project(torch.tensor([[0.3, 0, 1.0], [0, 1.0, 0], [0, 0, 1.0]]).double())[0]
    assert left_eye[0] > 50
    assert crown[1] < 40
    assert nose.tolist() == [50, 40]


def test_world_to_camera_inverts_camera_to_world_up_to_the_axes():
    pose = torch.linalg.inv(head_pose(0.3, 0.2, -0.5, [0.1, 0.2, -9.0])).expand(4, 4, 4)
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(nerf_to_opencv(pose), flip @ torch.linalg.inv(pose))


def test_position_is_the_data_sets_camera_centre():
    pose = torch.linalg.inv(head_pose(0.3, 0.2, -0.5, [0.1, 0.2, -9.0]))[None]
    torch.testing.assert_close(Camera.from_focal(nerf_to_opencv(pose), 500, 64, 64).positions, pose[:, :3, 3])


def test_crop_moves_points_by_the_corner_and_resize_scales_them():
    pose = nerf_to_opencv(torch.linalg.inv(head_pose(0.1, 0.2, 0.3, [0.1, 0.2, -9.0])))[None]
    camera = Camera.from_focal(pose, 700.0, 200, 100)
    points = torch.randn(5, 3, dtype=torch.float64)
    crop = camera.crop(30, -10, 64, 48)
    assert (crop.width, crop.height) == (64, 48)
    torch.testing.assert_close(crop.project(points), camera.project(points) - torch.tensor([30.0, -10.0]).double())
    torch.testing.assert_close(
        camera.resize(50, 300).project(points), camera.project(points) * torch.tensor([0.25, 3.0]).double()
    )
    assert camera.intrinsics[0, 0, 2] == 100


def test_stacks_and_indexes_keep_views_apart():
    views = [Camera.from_focal(torch.eye(4)[None] * (i + 1), 100.0 + i, 32, 16) for i in range(4)]
    batch = Camera.stack(views)
    assert len(batch) == 4
    assert len(batch[2]) == 1
    assert batch[2].intrinsics[0, 0, 0] == 102
    assert batch[torch.tensor([3, 0])].viewmats[:, 0, 0].tolist() == [4, 1]
    assert batch[1:3].intrinsics[:, 0, 0].tolist() == [101, 102]
    with pytest.raises(ValueError):
        Camera.stack([views[0], views[1].crop(0, 0, 8, 8)])
    assert batch.to(dtype=torch.float64).viewmats.dtype == torch.float64
