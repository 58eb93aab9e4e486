"""Which vertices of a tracked mesh guide the motion."""

from __future__ import annotations

import torch

from training.motion_guide import VERTICES, guiding_rows


def test_all_vertices_of_a_small_mesh_guide():
    assert guiding_rows(torch.zeros(7, 60, 3)).tolist() == list(range(60))
    assert len(torch.unique(guiding_rows(torch.zeros(7, 478, 3)))) == VERTICES


def test_of_a_dense_mesh_what_moves_is_chosen_more_often():
    vertices = torch.zeros(40, 20_000, 3)
    lips = slice(8_000, 8_400)
    vertices[:, lips, 1] = torch.sin(torch.arange(40.0))[:, None] * 0.1
    rows = guiding_rows(vertices.half())
    assert len(rows) <= VERTICES and len(torch.unique(rows)) == len(rows)
    among_lips = ((rows >= lips.start) & (rows < lips.stop)).sum()
    assert 0.3 * VERTICES < among_lips < 0.6 * VERTICES
    others = rows[(rows < lips.start) | (rows >= lips.stop)]
    assert others.diff().max() < 600  # and the rest of the face is covered evenly


def test_of_a_dense_mesh_that_never_moves_all_parts_are_chosen():
    rows = guiding_rows(torch.zeros(5, 30_000, 3))
    assert len(rows) == VERTICES and rows.diff().max() < 80
