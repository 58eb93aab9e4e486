"""Look-ups in the hashed planes on NVIDIA GPUs: one kernel each way, written in Triton.

Twin of ``scene.triplane.hash_lookup``, for points that need no gradient. The table's gradient
is gathered by atomic additions: its last bits differ from run to run.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

POINTS = 256  # that a program handles at once


def hash_lookup(
    unit: Float[Tensor, "N 3"], table: Float[Tensor, "R F"], layout: Int[Tensor, "3 L"]
) -> Float[Tensor, "N D"]:
    """See ``scene.triplane``; NotImplemented but for float32 points without gradient."""
    if unit.dtype != torch.float32 or unit.requires_grad:
        return NotImplemented
    return _HashLookup.apply(unit, table, layout)


class _HashLookup(torch.autograd.Function):
    """Features [N, P * L * F] of points [N, 3] in 0..1, from a table [rows, F]; differentiable in the table."""

    @staticmethod
    def forward(
        ctx, unit: Float[Tensor, "N 3"], table: Float[Tensor, "R F"], layout: Int[Tensor, "3 L"]
    ) -> Float[Tensor, "N D"]:
        """``layout``: of each level the cells along a side, the rows of the table, and the first row; int64."""
        unit, table = unit.contiguous(), table.contiguous()
        ctx.save_for_backward(unit, layout)
        ctx.shape = table.shape
        levels, features = layout.shape[1], table.shape[1]
        out = table.new_empty(len(unit), 3 * levels * features)
        if len(unit):
            _look_up[_grid(unit, levels)](
                unit, table, layout, out, len(unit), len(table) // 3, levels, features, POINTS
            )
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "N D"]) -> tuple[None, Tensor, None]:
        unit, layout = ctx.saved_tensors
        gradient = gradient.contiguous()
        levels, features = layout.shape[1], ctx.shape[1]
        to_table = gradient.new_zeros(ctx.shape)
        if len(unit):
            sizes = len(unit), len(to_table) // 3, levels, features, POINTS
            _scatter[_grid(unit, levels)](unit, gradient, layout, to_table, *sizes)
        return None, to_table, None


def _grid(unit: Tensor, levels: int) -> tuple[int, int]:
    return triton.cdiv(len(unit), POINTS), 3 * levels


@triton.jit
def _corners(unit_at, layout_at, count, plane_rows, part, L: tl.constexpr, POINTS: tl.constexpr):
    """Rows of the table and bilinear weights of the corners around a block of points, in one level of one plane."""
    n = tl.program_id(0) * POINTS + tl.arange(0, POINTS)
    plane, level = part // L, part % L
    first, second = tl.where(plane == 2, 1, 0), tl.where(plane == 0, 1, 2)
    cells = tl.load(layout_at + level)
    size = tl.load(layout_at + L + level)
    start = tl.load(layout_at + 2 * L + level) + plane * plane_rows
    px = tl.load(unit_at + n * 3 + first, mask=n < count, other=0.0) * cells.to(tl.float32)
    py = tl.load(unit_at + n * 3 + second, mask=n < count, other=0.0) * cells.to(tl.float32)
    x, y = px.to(tl.int64), py.to(tl.int64)
    fx, fy = px - x.to(tl.float32), py - y.to(tl.float32)
    return n, x, y, fx, fy, cells + 1, size, start


@triton.jit
def _row(x, y, side, size, start):
    return start + tl.where(side * side <= size, y * side + x, (x ^ (y * 2654435761)) & (size - 1))


@triton.jit
def _look_up(
    unit_at, table_at, layout_at, out_at, count, plane_rows, L: tl.constexpr, F: tl.constexpr, POINTS: tl.constexpr
):
    part = tl.program_id(1)
    n, x, y, fx, fy, side, size, start = _corners(unit_at, layout_at, count, plane_rows, part, L, POINTS)
    a, b = _row(x, y, side, size, start), _row(x + 1, y, side, size, start)
    c, d = _row(x, y + 1, side, size, start), _row(x + 1, y + 1, side, size, start)
    gx, gy = 1 - fx, 1 - fy
    inside = n < count
    for f in range(F):
        low = gx * tl.load(table_at + a * F + f, mask=inside) + fx * tl.load(table_at + b * F + f, mask=inside)
        high = gx * tl.load(table_at + c * F + f, mask=inside) + fx * tl.load(table_at + d * F + f, mask=inside)
        tl.store(out_at + (n.to(tl.int64) * 3 * L + part) * F + f, gy * low + fy * high, mask=inside)


@triton.jit
def _scatter(
    unit_at, gradient_at, layout_at, table_at, count, plane_rows, L: tl.constexpr, F: tl.constexpr, POINTS: tl.constexpr
):
    part = tl.program_id(1)
    n, x, y, fx, fy, side, size, start = _corners(unit_at, layout_at, count, plane_rows, part, L, POINTS)
    a, b = _row(x, y, side, size, start), _row(x + 1, y, side, size, start)
    c, d = _row(x, y + 1, side, size, start), _row(x + 1, y + 1, side, size, start)
    gx, gy = 1 - fx, 1 - fy
    inside = n < count
    for f in range(F):
        gradient = tl.load(gradient_at + (n.to(tl.int64) * 3 * L + part) * F + f, mask=inside, other=0.0)
        tl.atomic_add(table_at + a * F + f, gx * gy * gradient, mask=inside)
        tl.atomic_add(table_at + b * F + f, fx * gy * gradient, mask=inside)
        tl.atomic_add(table_at + c * F + f, gx * fy * gradient, mask=inside)
        tl.atomic_add(table_at + d * F + f, fx * fy * gradient, mask=inside)
