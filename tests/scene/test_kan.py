"""Kolmogorov-Arnold layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from scene.kan import KAN, MLP, KANLayer, make_decoder, spline_basis


def test_the_basis_is_scipys_uniform_cubic_b_splines():
    grid = 5
    step = 2 / grid
    knots = -1 + step * np.arange(-3, grid + 4)
    x = np.linspace(-1, 1, 41)[:-1]
    ours = spline_basis(torch.from_numpy(x), grid).numpy()
    for g in range(grid + 3):
        one = np.zeros(grid + 3)
        one[g] = 1
        assert np.allclose(ours[:, g], BSpline(knots, one, 3)(x), atol=1e-12)


def test_the_basis_sums_to_one_up_to_both_ends():
    assert torch.allclose(spline_basis(torch.linspace(-1, 1, 33).double(), 4).sum(-1), torch.ones(33).double())


def test_contributions_of_some_inputs_add_up_to_the_layer():
    torch.manual_seed(0)
    layer = KANLayer(5, 4)
    x = torch.randn(9, 5)
    assert torch.allclose(layer(x), layer.partial(x[:, :2], 0) + layer.partial(x[:, 2:], 2), atol=1e-6)


def test_an_edge_is_a_silu_and_a_spline_of_the_squashed_input():
    layer = KANLayer(1, 1).double()
    x = torch.linspace(-3, 3, 7).double()[:, None]
    knots = -1 + 0.4 * np.arange(-3, 9)
    spline = BSpline(knots, layer.spline[0, :, 0].detach().numpy(), 3)(np.tanh(x.numpy()))
    silu = x / (1 + torch.exp(-x))
    assert np.allclose(layer(x).detach().numpy(), (silu * layer.base).detach().numpy() + spline)


@pytest.mark.parametrize("kind", ["kan", "mlp"])
def test_inputs_that_frames_share_need_no_copies(kind):
    torch.manual_seed(0)
    decoder = make_decoder(kind, [6, 8, 3], grid=5, zero=False)
    shared, own = torch.randn(10, 4), torch.randn(2, 10, 2)
    whole = torch.cat([shared.expand(2, 10, 4), own], dim=-1)
    split = decoder(shared, own)
    assert split.shape == (2, 10, 3)
    for frame in range(2):
        assert torch.allclose(split[frame], decoder(whole[frame]), atol=1e-5)


@pytest.mark.parametrize("kind", ["kan", "mlp"])
def test_a_decoder_of_offsets_starts_at_none_and_can_leave_it(kind):
    decoder = make_decoder(kind, [4, 8, 3], grid=5, zero=True)
    assert isinstance(decoder, KAN if kind == "kan" else MLP)
    out = decoder(torch.randn(5, 4))
    assert not out.any()
    (out - 1).square().sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in decoder.parameters())
