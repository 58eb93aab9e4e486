"""Rates, weight decay, and moments that follow their Gaussians."""

from __future__ import annotations

import pytest
import torch

from arguments.settings import TrainingSettings
from scene.gaussian_model import FREE_PARAMETERS
from tests.tiny_head import make_head
from training.optimizer import follow, make_optimizer, set_rates, step
from training.pose_corrections import PoseCorrections

SETTINGS = TrainingSettings(network_lr=0.01, audio_weight_decay=0.3)


@pytest.fixture
def parts():
    head, poses = make_head(6), PoseCorrections(3)
    return head, poses, make_optimizer(head, poses, SETTINGS)


def rate_of(optimizer, parameter: torch.Tensor) -> float:
    return next(g["lr"] for g in optimizer.param_groups if any(p is parameter for p in g["params"]))


def test_every_parameter_is_learnt_once_and_at_its_own_rate(parts):
    head, poses, optimizer = parts
    learnt = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(set(learnt)) == len(learnt)
    assert set(learnt) == {id(p) for p in (*head.parameters(), *poses.parameters())}
    assert rate_of(optimizer, head.model.means) == SETTINGS.means_lr
    assert rate_of(optimizer, head.model.log_scales) == SETTINGS.scales_lr
    assert rate_of(optimizer, head.model.quats) == SETTINGS.rotations_lr
    assert rate_of(optimizer, head.model.logit_opacities) == SETTINGS.opacities_lr
    assert rate_of(optimizer, head.model.sh_dc) == SETTINGS.colors_lr
    assert rate_of(optimizer, poses.values) == SETTINGS.poses_lr
    assert {rate_of(optimizer, p) for p in head.planes.parameters()} == {SETTINGS.planes_lr}
    assert {rate_of(optimizer, p) for p in head.deformation.parameters()} == {SETTINGS.network_lr}


def test_rates_fall_together_and_from_the_start_each_time(parts):
    _, _, optimizer = parts
    before = [group["lr"] for group in optimizer.param_groups]
    for factor in (0.5, 0.1):
        set_rates(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([factor * rate for rate in before])


def test_the_audio_encoder_decays_as_adamw_would_and_nothing_else_does(parts):
    head, _, optimizer = parts
    weight, other = head.deformation.tokens.signal.listen[0].weight, head.deformation.lift[0].weight
    copies = [p.detach().clone().requires_grad_() for p in (weight, other)]
    expected = [
        torch.optim.AdamW([copies[0]], lr=0.01, betas=(0.9, 0.99), weight_decay=0.3),
        torch.optim.AdamW([copies[1]], lr=0.01, betas=(0.9, 0.99), weight_decay=0.0),
    ]
    for seed in range(3):
        torch.manual_seed(seed)
        for parameter, copy, theirs in zip((weight, other), copies, expected, strict=True):
            copy.grad = torch.randn_like(parameter)
            parameter.grad = copy.grad.clone()
            theirs.step()
        step(optimizer)
    assert torch.allclose(weight, copies[0], atol=1e-6)
    assert torch.allclose(other, copies[1], atol=1e-6)
    assert weight.grad is None


def test_moments_follow_every_kind_of_rearrangement(parts):
    head, _, optimizer = parts
    for name in FREE_PARAMETERS:
        parameter = getattr(head.model, name)
        parameter.grad = torch.arange(6.0).reshape(6, *[1] * (parameter.ndim - 1)).expand_as(parameter).clone()
    step(optimizer)
    rows = torch.tensor([4, 0, 4, 2])
    head.model.keep(rows)
    follow(optimizer, head, rows, torch.tensor([False, False, True, False]))
    for name in ("means", "quats", "logit_opacities", "sh_dc"):
        state = optimizer.state[getattr(head.model, name)]
        assert torch.allclose(state["exp_avg"].reshape(4, -1)[:, 0], torch.tensor([0.4, 0.0, 0.0, 0.2]))
        assert torch.allclose(state["exp_avg_sq"].reshape(4, -1)[:, 0], torch.tensor([0.16, 0.0, 0.0, 0.04]))
