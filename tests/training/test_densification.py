"""More Gaussians where they are asked for, fewer where they do nothing; and their optimizer's moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from arguments.settings import TrainingSettings
from scene.gaussian_model import FREE_PARAMETERS
from tests.tiny_head import make_head
from training.densification import GradientStatistics, densify
from training.optimizer import make_optimizer, step
from training.pose_corrections import PoseCorrections


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


def test_what_is_split_how_small_its_halves_are_and_what_is_removed_are_settings():
    head, optimizer, statistics, options = trained(split_scale=0.001, split_shrink=2.0)
    densify(head, optimizer, statistics, options)  # now the small one is split as well, and nothing cloned
    assert head.num_gaussians == 40 - 1 + 1 + 1
    halves = head.model.log_scales[-4:].exp()
    assert torch.allclose(halves * 2.0, torch.tensor([-6.0, -2.0, -6.0, -2.0]).exp()[:, None].expand(-1, 3))
    head, optimizer, statistics, options = trained(prune_scale=0.1)
    statistics.total.zero_()
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 40 - 2  # the faint one and the large one


def test_moments_stay_with_their_gaussians_and_new_ones_start_afresh():
    head, optimizer, statistics, options = trained()
    densify(head, optimizer, statistics, options)
    state = optimizer.state[head.model.means]
    kept = torch.tensor([i for i in range(40) if i not in (1, 2)]).float()
    assert torch.allclose(state["exp_avg"][:38, 0], 0.1 * kept)
    assert torch.allclose(state["exp_avg_sq"][:38, 0], 0.01 * kept.square())
    assert not state["exp_avg"][38:].any() and not state["exp_avg_sq"][38:].any()
    assert state["step"] == 1
    for group in optimizer.param_groups:
        if group["name"] in FREE_PARAMETERS:
            (parameter,) = group["params"]
            assert parameter is getattr(head.model, group["name"])
            assert optimizer.state[parameter]["exp_avg"].shape == parameter.shape
    assert len(optimizer.state) == sum(len(group["params"]) for group in optimizer.param_groups)  # none of the old


def test_the_upper_bound_takes_the_neediest():
    head, optimizer, statistics, options = trained(max_gaussians=41)
    statistics.total[1] = 5.0
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 40  # one split into two, one faint removed
    assert (head.model.log_scales[-2:] > -3).all()


def test_the_upper_bound_holds_where_all_need_equally():
    head, optimizer, statistics, options = trained(max_gaussians=45)
    statistics.total[:] = 1.0
    with torch.no_grad():
        head.model.logit_opacities[:] = 1.0
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 45


@pytest.mark.parametrize("bound", [40, 10])
def test_a_full_head_does_not_grow(bound):
    head, optimizer, statistics, options = trained(max_gaussians=bound)
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 39  # the faint one is removed


def test_a_head_below_the_lower_bound_is_not_pruned():
    head, optimizer, statistics, options = trained(min_gaussians=1000)
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 42  # one cloned, one split, the faint one spared


def test_huge_ones_are_removed():
    head, optimizer, statistics, options = trained()
    with torch.no_grad():
        head.model.log_scales[5, 1] = -0.5
    before = head.model.means[5].detach().clone()
    densify(head, optimizer, statistics, options)
    assert not (head.model.means == before).all(dim=-1).any()


def test_halves_spread_as_the_whole_did():
    head, optimizer, statistics, options = trained(1500, max_gaussians=10_000)
    turn = Rotation.from_euler("xyz", (20, 50, 70), degrees=True)
    deviations = torch.tensor([0.2, 0.05, 0.01])
    with torch.no_grad():
        head.model.log_scales[:] = deviations.log()
        head.model.quats[:] = torch.from_numpy(turn.as_quat()[[3, 0, 1, 2]])
        head.model.logit_opacities[:] = 1.0
        head.model.means.zero_()
    statistics.total[:] = 1.0
    torch.manual_seed(0)
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 3000
    expected = turn.as_matrix() @ np.diag(deviations.numpy() ** 2) @ turn.as_matrix().T
    spread = np.cov(head.model.means.detach().numpy().T)
    assert np.abs(spread - expected).max() < 0.1 * np.abs(expected).max()
    smallest = np.linalg.eigvalsh(spread)[0]
    assert 0.8 < smallest / 0.01**2 < 1.2


def test_what_was_gathered_counts_once():
    head, optimizer, statistics, options = trained()
    with torch.no_grad():
        head.model.log_scales[1] = -6.0
        head.model.logit_opacities[3] = -9.0
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 40  # two cloned, two removed: the gradients would still seem to fit
    densify(head, optimizer, statistics, options)
    assert head.num_gaussians == 40


def test_training_goes_on_after_a_change():
    head, optimizer, statistics, options = trained()
    densify(head, optimizer, statistics, options)
    before = head.model.means.detach().clone()
    head.model.means.sum().backward()
    step(optimizer)
    assert (head.model.means < before).all()
    again = make_optimizer(head, PoseCorrections(2), options)
    again.load_state_dict(optimizer.state_dict())
    assert torch.equal(again.state[head.model.means]["exp_avg"], optimizer.state[head.model.means]["exp_avg"])


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
    statistics.add(torch.zeros_like(gradient), torch.ones_like(radii), width=20, height=20)
    assert statistics.mean().tolist() == pytest.approx([1.0 * 2 / 4, 1.0 / 3, 0.0])


def test_screen_gradients_scale_with_each_side_and_start_afresh_for_another_head():
    statistics = GradientStatistics()
    statistics.add(torch.ones(1, 3, 2), torch.ones(1, 3), width=10, height=10)
    statistics.add(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.ones(1, 2), width=40, height=30)
    assert statistics.mean().tolist() == [20.0, 15.0]
