"""Stands in for the part of pytorch3d's interface that the tracker uses: plain, slow, and differentiable alike.

``rasterize_meshes`` as documented: x runs left, y up, -1..1 on the picture's shorter side; z is the depth; triangles
are numbered through all meshes of the batch; -1 where a pixel shows none.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
import torch
from torch import Tensor


class Meshes:
    """A batch of meshes of equal size."""

    def __init__(self, verts: Tensor, faces: Tensor) -> None:
        assert verts.ndim == faces.ndim == 3 and verts.shape[0] == faces.shape[0]
        assert verts.shape[2] == faces.shape[2] == 3
        self.verts, self.faces = verts, faces


def rasterize_meshes(
    meshes: Meshes,
    image_size: tuple[int, int] = (256, 256),
    blur_radius: float = 0.0,
    faces_per_pixel: int = 8,
    bin_size: int | None = None,
    max_faces_per_bin: int | None = None,
    perspective_correct: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    assert blur_radius == 0 and faces_per_pixel == 1 and perspective_correct
    height, width = image_size
    short = min(height, width)
    x = -(2 * torch.arange(width) + 1 - width) / short
    y = -(2 * torch.arange(height) + 1 - height) / short
    count = meshes.faces.shape[1]
    shown = torch.full((len(meshes.verts), height, width), -1)
    for picture, verts, faces in zip(shown, meshes.verts.detach().numpy(), meshes.faces.numpy(), strict=True):
        picture.copy_(torch.from_numpy(_nearest(verts[faces], x.numpy(), y.numpy())))
    n, row, column = torch.nonzero(shown >= 0, as_tuple=True)
    corners = meshes.verts[n[:, None], meshes.faces[n, shown[n, row, column]]]  # [P, 3, 3]
    share = _barycentric(torch.stack([x[column], y[row]], -1), corners[..., :2])
    share = share / corners[..., 2]
    share = share / share.sum(-1, keepdim=True)
    whole = torch.full((*shown.shape, 1, 3), -1.0).index_put((n, row, column, torch.zeros_like(n)), share)
    numbered = torch.where(shown < 0, shown, shown + count * torch.arange(len(shown)).view(-1, 1, 1))
    nothing = torch.zeros(*shown.shape, 1)
    return numbered[..., None], nothing, whole, nothing


def _barycentric(points: Tensor, corners: Tensor) -> Tensor:
    a, b, c = corners.unbind(1)

    def area(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
        return (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])

    return torch.stack([area(points, b, c), area(a, points, c), area(a, b, points)], -1) / area(a, b, c)[:, None]


@numba.njit
def _nearest(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The number of the nearest triangle (corners [F, 3, 3]) at each pixel, by a depth buffer; -1 for none."""
    depth = np.full((len(y), len(x)), np.inf)
    shown = np.full(depth.shape, -1)
    step = x[0] - x[1]
    for number in range(len(corners)):
        a, b, c = corners[number]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0:
            continue
        first_column = max(0, int((x[0] - max(a[0], b[0], c[0])) / step))
        first_row = max(0, int((y[0] - max(a[1], b[1], c[1])) / step))
        for row in range(first_row, min(len(y), int((y[0] - min(a[1], b[1], c[1])) / step) + 2)):
            for column in range(first_column, min(len(x), int((x[0] - min(a[0], b[0], c[0])) / step) + 2)):
                px, py = x[column], y[row]
                u = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) / area
                v = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) / area
                w = 1 - u - v
                if u >= 0 and v >= 0 and w >= 0:
                    z = 1 / (u / a[2] + v / b[2] + w / c[2])
                    if 0 < z < depth[row, column]:
                        depth[row, column] = z
                        shown[row, column] = number
    return shown


def install(patch: pytest.MonkeyPatch) -> None:
    """Make ``import pytorch3d`` find this."""
    contents: dict[str, dict[str, Any]] = {
        "pytorch3d": {},
        "pytorch3d.structures": {"Meshes": Meshes},
        "pytorch3d.renderer": {},
        "pytorch3d.renderer.mesh": {"rasterize_meshes": rasterize_meshes},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        patch.setitem(sys.modules, name, module)
