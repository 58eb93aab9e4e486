"""Hashed and dense planes of spatial features."""

from __future__ import annotations

import pytest
import torch

from arguments.settings import ModelSettings
from scene.triplane import DenseTriplane, HashTriplane, corners, level_resolutions, make_triplane

SETTINGS = ModelSettings(plane_levels=3, plane_base_resolution=4, plane_finest_resolution=32, plane_log2_entries=7)


def hashed() -> HashTriplane:
    torch.manual_seed(0)
    planes = HashTriplane(SETTINGS, extent=2.0)
    torch.nn.init.normal_(planes.table)
    return planes


def test_levels_grow_geometrically_from_base_to_finest():
    assert level_resolutions(SETTINGS) == [4, 11, 32]


def test_a_point_on_a_vertex_gets_that_vertex_alone():
    planes = hashed()
    # level 0 has its own 5 x 5 entries: vertex (1, 2) of plane xy is row 2 * 5 + 1
    point = torch.tensor([[1 / 4, 2 / 4, 0.3]]) * 4 - 2
    assert torch.allclose(planes(point)[0, : planes.features], planes.table[11], atol=1e-4)


def test_half_way_between_vertices_is_their_mean():
    planes = hashed()
    point = torch.tensor([[1.5 / 4, 2 / 4, 0.3]]) * 4 - 2
    assert torch.allclose(planes(point)[0, :2], (planes.table[11] + planes.table[12]) / 2, atol=1e-4)


def test_points_outside_the_cube_get_its_border():
    planes = hashed()
    far, border = torch.tensor([[50.0, -50.0, 0.0]]), torch.tensor([[1.99999, -1.99999, 0.0]])
    assert torch.allclose(planes(far), planes(border), atol=1e-3)


def test_gradients_reach_points_that_want_them():
    planes = hashed().double()
    points = (torch.rand(5, 3).double() - 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: planes(p), points, eps=1e-7, atol=1e-3)


def test_hashing_spreads_the_finest_level_over_its_table():
    planes = hashed()
    rows, weights = corners(torch.rand(2000, 3), planes.layout)
    finest = rows[:, 0, 2]
    start = sum(planes.entries[:2])
    assert finest.min() >= start
    assert finest.max() < start + planes.entries[2]
    assert len(finest.unique()) > 0.9 * planes.entries[2]
    assert torch.allclose(weights.sum(-1), torch.ones_like(weights[..., 0]))


@pytest.mark.parametrize("kind", ["hash", "dense"])
def test_both_kinds_have_the_width_they_say(kind):
    planes = make_triplane(ModelSettings(planes=kind, plane_levels=2, plane_finest_resolution=32), 2.0)
    assert planes(torch.zeros(3, 3)).shape == (3, planes.dim)


def test_dense_planes_multiply_their_three_projections():
    planes = DenseTriplane(ModelSettings(planes="dense", plane_levels=1, plane_base_resolution=4), 2.0)
    with torch.no_grad():
        for p, value in enumerate((2.0, 3.0, 5.0)):
            planes.planes[0][p] = value
    assert torch.allclose(planes(torch.zeros(1, 3)), torch.full((1, planes.dim), 30.0))
