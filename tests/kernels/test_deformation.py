"""The fused kernel against the plain modules."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from arguments.settings import ModelSettings
from kernels.cpu.kan import _two_layers
from scene.cameras import Camera
from scene.drive import Drive
from scene.gaussians import Gaussians
from scene.head import GaussianHead

pytestmark = pytest.mark.usefixtures("two_threads")

SMALL = ModelSettings(
    plane_levels=3, plane_log2_entries=8, feature_dim=8, heads=2, agents=5, motion_window=4, lower_codes=12
)


def moving_head(settings: ModelSettings = SMALL, count: int = 150) -> GaussianHead:
    """A head whose every weight matters."""
    torch.manual_seed(0)
    head = GaussianHead(count, (20,), settings)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return head.eval()


def drive(batch: int = 3, window: int = SMALL.signal_window) -> Drive:
    generator = torch.Generator().manual_seed(1)
    view = torch.eye(4).repeat(batch, 1, 1)
    view[:, 2, 3] = 10.0
    codes = 2 * torch.randn(batch, window, 20, generator=generator)
    eye = torch.rand(batch, 1, generator=generator)
    return Drive(
        codes,
        torch.arange(window).repeat(batch, 1),
        eye,
        Camera.from_focal(view, 100.0, 32, 32),
        torch.zeros(batch, 12),
    )


def assert_same(ours: Gaussians, twin: Gaussians) -> None:
    for field in fields(Gaussians):
        torch.testing.assert_close(getattr(ours, field.name), getattr(twin, field.name), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    "settings",
    [
        SMALL,
        replace(SMALL, sh_degree=2),
        replace(SMALL, feature_dim=24, heads=3, agents=7, kan_grid=8),
        replace(SMALL, motion_gate=False),
        replace(SMALL, attention="cross"),
        replace(SMALL, drive="audio", audio_window=4),
    ],
)
def test_the_kernel_is_the_plain_modules(settings):
    head, moved = moving_head(settings), drive(window=settings.signal_window)
    at_rest = head.at_rest()
    assert at_rest.compiled is not None
    plain = head.deform(moved, replace(at_rest, compiled=None))
    assert (plain.means - head.static().means).abs().max() > 0.1
    assert_same(head.deform(moved, at_rest), plain)


@torch.no_grad()
def test_still_gaussians_stay_and_gated_ones_move_in_part():
    head = moving_head(count=400)
    head.deformation.let_gates_count(True)
    logits = head.deformation.gate(head.deformation.lift(head.planes(head.model.means)))
    head.deformation.gate.weight *= 5 / logits.std()
    head.deformation.gate.bias.copy_(-(5 / logits.std()) * (logits.median() - head.deformation.gate.bias))
    at_rest = head.at_rest()
    assert 20 < len(at_rest.moving) < 380
    assert ((at_rest.gates > 0) & (at_rest.gates < 0.9)).any()
    moved = head.deform(drive(), at_rest)
    assert_same(moved, head.deform(drive(), replace(at_rest, compiled=None)))
    still = torch.ones(400, dtype=torch.bool)
    still[at_rest.moving] = False
    assert torch.equal(moved.means[:, still], head.static().means[still].expand(3, -1, -1))


@torch.no_grad()
def test_a_head_where_nothing_moves():
    head = moving_head()
    head.deformation.let_gates_count(True)
    head.deformation.gate.weight.zero_()
    head.deformation.gate.bias.fill_(-5.0)
    at_rest = head.at_rest()
    assert len(at_rest.moving) == 0
    assert_same(head.deform(drive(), at_rest), replace_batch(head.static(), 3))


def replace_batch(gaussians: Gaussians, batch: int) -> Gaussians:
    return gaussians.map(lambda tensor, _: tensor.expand(batch, *tensor.shape))


@torch.no_grad()
def test_extremes_stay_what_they_are():
    head = moving_head()
    for sign in (-1, 1):
        head.model.log_scales.fill_(sign * 30.0)
        head.model.logit_opacities.fill_(sign * 200.0)
        head.model.quats.fill_(sign * 1e4)
        moved, plain = head.deform(drive()), head.deform(drive(), replace(head.at_rest(), compiled=None))
        assert_same(moved, plain)


def test_gradients_and_ablations_go_the_plain_way():
    head = moving_head()
    assert head.at_rest().compiled is None
    with torch.no_grad():
        assert moving_head(replace(SMALL, decoder="mlp")).at_rest().compiled is None
        assert head.double().at_rest().compiled is None


@torch.no_grad()
def test_another_process_finds_the_kernels_compiled():
    head = moving_head()
    head.deform(drive())
    _two_layers.cache_clear()
    head.deform(drive())
    sizes = head.settings.feature_dim, head.settings.feature_dim, head.settings.kan_grid + 3
    stats = _two_layers(*sizes).stats
    assert sum(stats.cache_hits.values()) == 1 and not stats.cache_misses
