"""View-dependent colour."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.special import sph_harm_y

from gaussian_renderer.spherical_harmonics import basis, rgb_to_constant, view_colors
from scene.gaussians import Gaussians


def seen_from(colors: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    count = colors.shape[-3]
    gaussians = Gaussians(torch.zeros(count, 3), torch.zeros(count, 4), torch.ones(count, 3), torch.ones(count), colors)
    return view_colors(gaussians, positions)


def test_basis_is_scipys_in_real_form():
    directions = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=-1)
    polar, azimuth = torch.acos(directions[:, 2]), torch.atan2(directions[:, 1], directions[:, 0])
    expected = []
    for degree in range(4):
        for order in range(-degree, degree + 1):
            value = torch.as_tensor(sph_harm_y(degree, abs(order), polar.numpy(), azimuth.numpy()))
            part = value.real if order >= 0 else value.imag
            expected.append(part * (math.sqrt(2) if order else 1))
    torch.testing.assert_close(basis(directions, 3), torch.stack(expected, dim=-1))
    torch.testing.assert_close(basis(directions, 1), basis(directions, 3)[:, :4])


def test_constant_colour_comes_back_and_is_shared_by_the_views():
    rgb = torch.rand(7, 3)
    colors = seen_from(rgb_to_constant(rgb)[:, None], torch.randn(5, 3))
    torch.testing.assert_close(colors, rgb.expand(5, 7, 3))
    assert colors.stride(0) == 0


def test_colour_depends_on_the_side_it_is_seen_from():
    colors = torch.zeros(1, 4, 3)
    colors[0, 2] = 0.5
    above, below = seen_from(colors, torch.tensor([[0.0, 0, 5], [0, 0, -5]]))[:, 0, 0]
    slope = 0.5 * math.sqrt(3 / (4 * math.pi))
    assert (above.item(), below.item()) == pytest.approx((0.5 - slope, 0.5 + slope))


def test_colour_is_never_negative_and_odd_numbers_of_terms_are_refused():
    assert (seen_from(torch.full((3, 1, 3), -9.0), torch.zeros(1, 3)) == 0).all()
    with pytest.raises(ValueError, match="3 colour coefficients"):
        seen_from(torch.zeros(2, 3, 3), torch.zeros(1, 3))
