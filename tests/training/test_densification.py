"""More Gaussians where they are asked for, fewer where they do nothing; and their optimizer's moments."""

from __future__ import annotations

import pytest
import torch

from arguments.settings import TrainingSettings
from tests.tiny_head import make_head
from training.densification import GradientStatistics, densify
from training.optimizer import make_optimizer, set_rates, step
from training.poses import PoseCorrections


def trained(count: int = 40, **settings):
    """A head whose Gaussians have moments that tell them apart, large gradients at 0 and 1 only, and 2 faint."""
    head = make_head(count)
    options = TrainingSettings(**{"min_gaussians": 5, "max_gaussians": 100, **settings})
    optimizer = make_optimizer(head, PoseCorrections(2), options)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    head.model.means.grad = torch.arange(count).float()[:, None].expand(-1, 3).clone()
    step(optimizer)
    with torch.no_grad():
        head.model.log_scales[0] = -6.0  # small: cloned
        head.model.log_scales[1] = -2.0  # large: split
        head.model.log_scales[2:] = -6.0
        head.model.logit_opacities[2] = -9.0
    statistics = GradientStatistics()
    statistics.total = torch.zeros(count)
    statistics.total[:2] = 1.0
    statistics.seen = torch.ones(count)
    return head, optimizer, statistics, options


def test_small_ones_are_cloned_large_ones_split_and_faint_ones_removed():
    head, optimizer, statistics, options = trained()
    before = head.model.means.detach().clone()
    densify(head, optimizer, statistics, options)
    means = head.model.means.detach()
    assert len(means) == 40 - 1 + 1 + 1
    kept = [i for i in range(40) if i not in (1, 2)]
    assert torch.equal(means[: len(kept)], before[kept])
    assert torch.equal(means[len(kept)], before[0])
    halves = means[-2:]
    assert not torch.equal(halves[0], halves[1])
    assert (halves - before[1]).norm(dim=-1).max() < 5 * torch.tensor(-2.0).exp()
    assert torch.allclose(head.model.log_scales[-2:].exp() * 1.6, torch.tensor(-2.0).exp())


def test_moments_stay_with_their_gaussians_and_new_ones_start_afresh():
    head, optimizer, statistics, options = trained()
    densify(head, optimizer, statistics, options)
    moments = optimizer.state[head.model.means]["exp_avg"][:, 0]
    kept = torch.tensor([i for i in range(40) if i not in (1, 2)]).float()
    assert torch.allclose(moments[:38], 0.1 * kept)
    assert not moments[38:].any()
    group = next(g for g in optimizer.param_groups if g["name"] == "means")
    assert group["params"][0] is head.model.means


def test_the_upper_bound_takes_the_neediest():
    head, optimizer, statistics, options = trained(max_gaussians=41)
    statistics.total[1] = 5.0
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 40  # one split into two, one faint removed
    assert (head.model.log_scales[-2:] > -3).all()


def test_pruning_stops_at_the_lower_bound():
    head, optimizer, statistics, options = trained(min_gaussians=35)
    statistics.total.zero_()
    with torch.no_grad():
        head.model.logit_opacities[:] = torch.linspace(-20, -9, 40)
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 35
    assert head.model.logit_opacities.min() > -20 + 4 * 11 / 39  # the faintest went


def test_screen_gradients_are_averaged_over_the_frames_that_saw_them():
    statistics = GradientStatistics()
    gradient = torch.zeros(2, 3, 2)
    gradient[0, 0] = torch.tensor([3.0, 4.0]) / 100
    gradient[1, 0] = torch.tensor([3.0, 4.0]) / 100
    gradient[0, 1] = torch.tensor([3.0, 4.0]) / 100
    radii = torch.tensor([[2.0, 2.0, 0.0], [2.0, 0.0, 0.0]])
    statistics.add(gradient, radii, width=20, height=20)
    assert statistics.mean().tolist() == pytest.approx([0.05 * 10 * 2, 0.05 * 10 * 2, 0.0])


def test_rates_fall_together_and_decay_pulls_the_audio_encoder_alone():
    head, optimizer, _, options = trained()
    weight = head.deformation.tokens.audio.input.weight
    other = head.deformation.lift[0].weight
    optimizer.zero_grad()
    before, rest = weight.detach().clone(), other.detach().clone()
    set_rates(optimizer, 0.5)
    step(optimizer)
    rate = 0.5 * options.network_lr
    assert torch.allclose(weight, before * (1 - rate * options.audio_weight_decay))
    assert torch.equal(other, rest)
    assert next(g for g in optimizer.param_groups if g["name"] == "means")["lr"] == 0.5 * options.means_lr
