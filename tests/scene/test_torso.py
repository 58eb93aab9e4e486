"""The torso moves with the body, with the head, and in between."""

from __future__ import annotations

import pytest
import torch

from scene.cameras import Camera
from scene.drive import Drive
from scene.gaussians import Gaussians
from scene.rigid_motion import rotation_matrix
from scene.torso import Torso, joined

COUNT = 50


def _views(count: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    quaternions = torch.cat([torch.ones(count, 1), 0.1 * torch.randn(count, 3, generator=generator)], 1)
    views = torch.eye(4).repeat(count, 1, 1)
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    views[:, :3, :3] = flip @ rotation_matrix(torch.nn.functional.normalize(quaternions, dim=1))
    views[:, :3, 3] = torch.tensor([0.0, 0.0, 12.0]) + 0.3 * torch.randn(count, 3, generator=generator)
    return views


def _torso(attached: float, views: torch.Tensor) -> Torso:
    torch.manual_seed(1)
    torso = Torso(COUNT)
    points = torch.randn(COUNT, 3) * 0.5 - torch.tensor([0.0, 1.5, 0.3])
    torso.start_from(points, torch.rand(COUNT, 3), torch.full((COUNT,), 0.05), torch.full((COUNT,), attached))
    torso.set_clip(views, torch.zeros(len(views), 12), 0, torch.tensor([0.01, 0.1]), range(len(views)))
    return torso


@torch.no_grad()
def test_in_its_own_frame_the_torso_is_at_rest() -> None:
    views = _views()
    torso = _torso(0.3, views)
    moved = torso.moved(views[:1], torch.zeros(1, 12), torso.at_rest())
    torch.testing.assert_close(moved.means[0], torso.means)
    torch.testing.assert_close(moved.quats[0].abs(), torso.quats.abs(), atol=1e-5, rtol=0)


@torch.no_grad()
def test_what_hangs_on_the_body_stays_in_the_picture_when_the_head_turns() -> None:
    views = _views()
    torso = _torso(0.0, views)
    moved = torso.moved(views, torch.zeros(4, 12), torso.at_rest())
    pixels = Camera.from_focal(views, 800.0, 512, 512).project(moved.means)
    assert (pixels - pixels[:1]).abs().max() < 0.5  # the prior's logit is 1e-3, not nothing
    turned = (views[1:, :3, :3] - views[:1, :3, :3]).abs().max()
    assert turned > 0.1


@torch.no_grad()
def test_what_hangs_on_the_head_does_not_care_for_the_body() -> None:
    views = _views()
    torso = _torso(1.0, views)
    moved = torso.moved(views, 0.05 * torch.randn(4, 12), torso.at_rest())
    assert (moved.means - torso.means).abs().max() < 5e-3


@torch.no_grad()
def test_the_body_moves_in_the_picture_as_measured() -> None:
    views = _views()
    torso = _torso(0.0, views)
    torso.prior.fill_(-30.0)
    body = torch.zeros(4, 12)
    body[1, :2] = torch.tensor([0.02, -0.01])
    body[2, 2:6] = torch.tensor([0.05, 0.02, -0.02, 0.03])
    camera = Camera.from_focal(views, 800.0, 512, 512)
    pixels = camera.project(torso.moved(views, body, torso.at_rest()).means)
    torch.testing.assert_close(pixels[1] - pixels[0], torch.tensor([16.0, -8.0]).expand(COUNT, 2), atol=0.01, rtol=0)
    from_middle = pixels[0] - (800 * torso.middle + 256)
    expected = from_middle @ body[2, 2:6].reshape(2, 2).T
    torch.testing.assert_close(pixels[2] - pixels[0], expected, atol=0.01, rtol=0)


@torch.no_grad()
def test_poses_beyond_the_clip_change_no_more_than_its_own() -> None:
    views = _views(50)
    torso = _torso(0.2, views)
    torch.nn.init.normal_(torso.field[-1].weight, std=0.3)
    far = views[:1].clone()
    far[:, :3, 3] += 50.0
    farther = far.clone()
    farther[:, :3, 3] += 50.0
    at_rest = torso.at_rest()
    colours = [torso.moved(view, torch.zeros(1, 12), at_rest).colors for view in (far, farther)]
    torch.testing.assert_close(*colours)


def test_all_of_it_can_be_learnt() -> None:
    views = _views()
    torso = _torso(0.4, views)
    torch.nn.init.normal_(torso.field[-1].weight, std=0.1)
    moved = torso.moved(views, 0.02 * torch.randn(4, 12), torso.at_rest())
    sum(
        (value**2).sum()
        for value in (moved.means, moved.quats * torch.rand(4), moved.scales, moved.opacities, moved.colors)
    ).backward()
    for name, parameter in torso.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("degree", [0, 2])
def test_head_and_torso_become_one(degree: int) -> None:
    views = _views(2)
    torso, bases = _torso(0.0, views), (degree + 1) ** 2
    head = Gaussians(
        torch.rand(2, 7, 3), torch.rand(2, 7, 4), torch.rand(2, 7, 3), torch.rand(2, 7), torch.rand(2, 7, bases, 3)
    )
    drive = Drive(
        torch.zeros(2, 1, 3),
        torch.zeros(2, 1, dtype=torch.long),
        torch.zeros(2, 1),
        Camera.from_focal(views, 80.0, 64, 64),
        torch.zeros(2, 12),
    )
    both = joined(head, torso.deform(drive, torso.at_rest()))
    assert both.count == 7 + COUNT and both.colors.shape == (2, 7 + COUNT, bases, 3)
    assert (both.colors[:, 7:, 1:] == 0).all() and torch.equal(both.means[:, :7], head.means)
