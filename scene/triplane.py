"""Spatial features: three multi-resolution planes (xy, xz, yz), hashed or dense.

Hash grids after Mueller et al., "Instant neural graphics primitives" (SIGGRAPH 2022), section 3, in two dimensions as
EGSTalker does (arXiv 2510.08587): no memory is spent on empty cells and the finest level resolves single wrinkles.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from arguments.settings import ModelSettings
from kernels.table import served

PLANES = ((0, 1), (0, 2), (1, 2))  # the coordinates that span each plane
HASH_PRIME = 2_654_435_761  # of Instant NGP, for the second coordinate; the first is taken as it is


class HashTriplane(nn.Module):
    """Features of points in a cube, by bilinear look-up in hashed 2D grids.

    Args:
        settings: the planes' levels, resolutions, sizes and features.
        extent: half the side of the cube around the origin that the planes cover, decimetres.

    Example:
        >>> planes = HashTriplane(ModelSettings(plane_levels=8, plane_features=2), extent=2.0)
        >>> planes(torch.rand(1000, 3)).shape  # 3 planes x 8 levels x 2
        torch.Size([1000, 48])
    """

    layout: Tensor
    """Of each level the cells along a side, the rows of the table, and the first of them."""

    def __init__(self, settings: ModelSettings, extent: float) -> None:
        super().__init__()
        self.extent = extent
        self.levels, self.features = settings.plane_levels, settings.plane_features
        self.resolutions = level_resolutions(settings)
        self.entries = [min((r + 1) ** 2, 1 << settings.plane_log2_entries) for r in self.resolutions]
        self.dim = len(PLANES) * self.levels * self.features
        size = torch.tensor(self.entries)
        layout = torch.stack([torch.tensor(self.resolutions), size, torch.cumsum(size, dim=0) - size])
        self.register_buffer("layout", layout, persistent=False)
        self.table = nn.Parameter(torch.empty(len(PLANES) * sum(self.entries), self.features).uniform_(-1e-4, 1e-4))

    def forward(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N F"]:
        """Look N points up; differentiable in the points and the table.

        Args:
            points: decimetres in the head's frame; clamped to the cube.

        Returns:
            Features, F = 3 * levels * features of a level.
        """
        unit = (points / (2 * self.extent) + 0.5).clamp(0, 1 - 1e-6)
        return hash_lookup(unit, self.table, self.layout)


@served
def hash_lookup(
    unit: Float[Tensor, "N 3"], table: Float[Tensor, "R F"], layout: Int[Tensor, "3 L"]
) -> Float[Tensor, "N D"]:
    """Sum of the four grid vertices around each point, weighted bilinearly, in every plane and level.

    Args:
        unit: points in 0..1; differentiable.
        table: features of the vertices of all planes and levels; differentiable.
        layout: of each level the cells along a side, the rows of the table, and the first of them.

    Returns:
        D = planes * levels * F features a point.
    """
    rows, weights = corners(unit, layout)
    flat = functional.embedding_bag(rows.reshape(-1, 4), table, per_sample_weights=weights.reshape(-1, 4), mode="sum")
    return flat.reshape(len(unit), len(PLANES) * layout.shape[1] * table.shape[1])


def corners(
    unit: Float[Tensor, "N 3"], layout: Int[Tensor, "3 L"]
) -> tuple[Int[Tensor, "N P L 4"], Float[Tensor, "N P L 4"]]:
    """Rows of the table and bilinear weights of the four grid vertices around each point, by plane and level."""
    planar = torch.stack([unit[:, list(axes)] for axes in PLANES], dim=1)  # [N, P, 2]
    position = planar[:, :, None] * layout[0].to(unit.dtype)[:, None]  # [N, P, L, 2]
    low = position.detach().floor()
    fraction = position - low
    wx, wy = fraction[..., 0], fraction[..., 1]
    weights = torch.stack([(1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy], dim=-1)
    x, y = low[..., 0].long(), low[..., 1].long()
    xs = torch.stack([x, x + 1, x, x + 1], dim=-1)
    ys = torch.stack([y, y, y + 1, y + 1], dim=-1)
    return table_rows(xs, ys, layout), weights


def table_rows(
    xs: Int[Tensor, "N P L 4"], ys: Int[Tensor, "N P L 4"], layout: Int[Tensor, "3 L"]
) -> Int[Tensor, "N P L 4"]:
    """Row of the table for each grid vertex: its own where the level fits, else the spatial hash."""
    cells, size, start = layout[:, :, None]
    side = cells + 1
    plane = torch.arange(len(PLANES), device=xs.device)[:, None, None] * size.sum()
    own = ys * side + xs
    hashed = (xs ^ (ys * HASH_PRIME)) & (size - 1)
    return torch.where(side * side <= size, own, hashed) + start + plane


class DenseTriplane(nn.Module):
    """The ablation: dense planes at the same resolutions up to 128, combined by product as in K-Planes."""

    def __init__(self, settings: ModelSettings, extent: float) -> None:
        super().__init__()
        self.extent = extent
        self.resolutions = [r for r in level_resolutions(settings) if r <= 128] or [settings.plane_base_resolution]
        self.width = 8
        self.dim = len(self.resolutions) * self.width
        self.planes = nn.ParameterList(
            torch.empty(len(PLANES), self.width, r + 1, r + 1).uniform_(0.1, 0.5) for r in self.resolutions
        )

    def forward(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N F"]:
        """Features of ``points``, as :meth:`HashTriplane.forward`."""
        unit = (points / self.extent).clamp(-1, 1)
        axes = unit.unbind(dim=-1)
        where = torch.stack([torch.stack([axes[a], axes[b]], dim=-1) for a, b in PLANES])[:, :, None]  # [P, N, 1, 2]
        levels = []
        for planes in self.planes:
            xy, xz, yz = functional.grid_sample(planes, where, align_corners=True)[..., 0]  # [F, N] each
            levels.append((xy * xz * yz).T)  # torch's own gradient of a product over a dimension waits for the device
        return torch.cat(levels, dim=-1)


def level_resolutions(settings: ModelSettings) -> list[int]:
    """Cells along a side for each level, in geometric progression from the base to the finest."""
    base, finest, levels = settings.plane_base_resolution, settings.plane_finest_resolution, settings.plane_levels
    growth = (finest / base) ** (1 / max(1, levels - 1))
    return [round(base * growth**level) for level in range(levels)]


def make_triplane(settings: ModelSettings, extent: float) -> HashTriplane | DenseTriplane:
    """The planes of setting ``planes``: "hash" or "dense"."""
    return HashTriplane(settings, extent) if settings.planes == "hash" else DenseTriplane(settings, extent)
