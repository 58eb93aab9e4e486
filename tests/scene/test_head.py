"""The whole head: at rest, moved, and in every ablation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scene.cameras import Camera
from scene.drive import Drive
from scene.head import GaussianHead
from tests.tiny_head import SETTINGS, make_head


def drive(frames: int = 2) -> Drive:
    torch.manual_seed(3)
    view = torch.eye(4).repeat(frames, 1, 1)
    view[:, 2, 3] = 6.0
    window = SETTINGS.signal_window
    numbers = torch.arange(window) + 5 * torch.arange(frames)[:, None]
    camera = Camera.from_focal(view, 120.0, 64, 64, 32, 32)
    return Drive(torch.randn(frames, window, 162), numbers, torch.rand(frames, 1), camera, torch.zeros(frames, 12))


def stirred(head: GaussianHead) -> GaussianHead:
    """The head after its decoders have left their zero start."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return head


def test_a_new_head_at_rest_is_its_point_cloud():
    head = make_head()
    rest = head.static()
    assert torch.equal(rest.means, head.model.means)
    assert torch.allclose(rest.opacities, torch.full((150,), 0.6))
    assert torch.allclose(rest.scales, torch.full((150, 3), 0.12))
    assert torch.allclose(rest.colors[:, 0] * 0.28209479 + 0.5, torch.tensor([0.8, 0.6, 0.5]).expand(150, 3), atol=1e-5)


def test_a_new_head_does_not_move():
    head = make_head()
    moved = head.deform(drive())
    assert moved.means.shape == (2, 150, 3)
    for name in ("means", "quats", "scales", "opacities", "colors"):
        assert torch.allclose(getattr(moved, name)[1], getattr(head.static(), name))


def test_what_frames_share_can_be_computed_once():
    head = stirred(make_head())
    at_rest = head.at_rest()
    both, alone = head.deform(drive(), at_rest), head.deform(drive())
    assert torch.allclose(both.means, alone.means)
    assert (both.means[0] - both.means[1]).abs().max() > 1e-4


def test_other_points_of_the_field_do_not_disturb_the_head():
    head = stirred(make_head())
    at_rest, state = head.at_rest_with(head.model.means.detach()[:7].clone())
    plain = head.at_rest()
    assert torch.allclose(at_rest.features, plain.features, atol=1e-6)
    ours = head.deformation(at_rest.spatial, head.deformation.tokens_of(drive())).attributes
    theirs = head.deformation(plain.spatial, head.deformation.tokens_of(drive())).attributes
    others = head.deformation(state, head.deformation.tokens_of(drive())).attributes
    assert torch.allclose(ours.means, theirs.means, atol=1e-6)
    assert torch.allclose(others.means, theirs.means[:, :7], atol=1e-6)


def with_some_gates_closed() -> GaussianHead:
    head = stirred(make_head())
    head.deformation.let_gates_count(True)
    with torch.no_grad():
        head.deformation.gate.weight *= 100
        logits = head.deformation.gate(head.deformation.lift(head.planes(head.model.means)))
        head.deformation.gate.bias -= logits.median() + 0.576  # sigmoid(4 * -0.576) is where a gate closes
    return head


def test_closed_gates_hold_their_gaussians_still_and_open_ones_move():
    head = with_some_gates_closed()
    at_rest = head.at_rest()
    assert 20 < len(at_rest.moving) < 130
    moved, rest = head.deform(drive()), head.static()
    still = torch.ones(150, dtype=torch.bool)
    still[at_rest.moving] = False
    for name in ("means", "quats", "scales", "opacities", "colors"):
        assert torch.equal(getattr(moved, name)[0][still], getattr(rest, name)[still])
    assert (moved.means[:, at_rest.moving] - rest.means[at_rest.moving]).norm(dim=-1).min() > 0


def test_skipping_closed_gates_changes_nothing():
    head = with_some_gates_closed()
    at_rest = head.at_rest()
    everyone = torch.arange(150)
    field = head.deformation.field(at_rest.features)
    agents = head.deformation.attention.agents(field.features)
    offsets = head.deformation(head.deformation.spatial(field, agents), head.deformation.tokens_of(drive()))
    whole = head.model.activated(head.model.at_rest(at_rest.features), offsets.attributes, everyone)
    assert torch.allclose(head.deform(drive()).means, whole.means, atol=1e-6)
    assert torch.allclose(head.deform(drive()).colors, whole.colors, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"attention": "cross"},
        {"decoder": "mlp"},
        {"planes": "dense"},
        {"ppe": False},
        {"sh_degree": 2},
        {"motion_gate": False},
    ],
    ids=str,
)
def test_every_ablation_learns_in_all_its_parts(change):
    torch.manual_seed(0)
    head = stirred(GaussianHead(60, (162,), replace(SETTINGS, **change)))
    head.deformation.let_gates_count(True)
    head.train()
    moved = head.deform(drive())
    total = sum(getattr(moved, n).square().sum() for n in ("means", "quats", "scales", "opacities", "colors"))
    (total + (moved.quats * torch.randn(4)).sum()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any() or parameter.numel() == 0, name


def test_audio_eyes_and_camera_all_move_the_head():
    head = stirred(make_head())
    base = drive(1)
    turned = base.camera.viewmats.clone()
    turned[0, :3, :3] = torch.tensor([[0.9, 0.0, 0.436], [0.0, 1.0, 0.0], [-0.436, 0.0, 0.9]])
    changes = (
        replace(base, signal=base.signal + 1),
        replace(base, eye=1 - base.eye),
        replace(base, camera=replace(base.camera, viewmats=turned)),
    )
    for changed in changes:
        assert (head.deform(changed).means - head.deform(base).means).abs().max() > 1e-6


def test_gaussians_can_be_kept_dropped_and_repeated():
    head = make_head()
    before = head.model.means.detach().clone()
    head.model.keep(torch.tensor([4, 4, 9]))
    assert head.num_gaussians == 3
    assert torch.equal(head.model.means, before[[4, 4, 9]])
    assert head.deform(drive()).means.shape == (2, 3, 3)
