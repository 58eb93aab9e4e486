"""Look-ups in the hashed planes on a CPU, without the index and weight tensors of the plain implementation.

Twin of ``scene.triplane.hash_lookup``, for points that need no gradient.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import njit, prange
from torch import Tensor

from kernels.cpu.threads import kernels


def hash_lookup(
    unit: Float[Tensor, "N 3"], table: Float[Tensor, "R F"], layout: Int[Tensor, "3 L"]
) -> Float[Tensor, "N D"]:
    """See ``scene.triplane``; NotImplemented but for float32 points without gradient."""
    if unit.dtype != torch.float32 or unit.requires_grad:
        return NotImplemented
    resolutions, entries, _ = layout.numpy()
    return _HashLookup.apply(unit, table, resolutions, entries)


class _HashLookup(torch.autograd.Function):
    """Features [N, P * L * F] of points [N, 3] in 0..1, from a table [rows, F]; differentiable in the table."""

    @staticmethod
    def forward(
        ctx, unit: Float[Tensor, "N 3"], table: Float[Tensor, "R F"], resolutions: np.ndarray, entries: np.ndarray
    ) -> Float[Tensor, "N D"]:
        """``resolutions`` and ``entries``: [L] int64, cells along a side and rows of the table of each level."""
        ctx.save_for_backward(unit)
        ctx.layout = resolutions, entries
        ctx.shape = table.shape
        out = torch.empty(len(unit), 3 * len(resolutions) * table.shape[1])
        with kernels():
            _look_up(unit.numpy(), table.detach().numpy(), resolutions, entries, out.numpy())
        return out

    @staticmethod
    def backward(ctx, gradient: Float[Tensor, "N D"]) -> tuple[None, Tensor, None, None]:
        (unit,) = ctx.saved_tensors
        to_table = torch.zeros(ctx.shape)
        with kernels():
            resolutions, entries = ctx.layout
            _scatter(unit.numpy(), gradient.contiguous().numpy(), resolutions, entries, to_table.numpy())
        return None, to_table, None, None


@njit(inline="always")
def _row(x, y, side, size):
    """Row of a grid vertex within its level: its own where the level fits the table, else hashed."""
    if side * side <= size:
        return y * side + x
    return (x ^ (y * 2654435761)) & (size - 1)


@njit(inline="always")
def _axes(plane):
    return (0, 1) if plane == 0 else ((0, 2) if plane == 1 else (1, 2))


@njit(parallel=True, fastmath=True, cache=True)
def _look_up(unit, table, resolutions, entries, out):
    levels, features = len(resolutions), table.shape[1]
    starts = np.cumsum(entries) - entries
    whole = entries.sum()
    for n in prange(len(unit)):
        for plane in range(3):
            first, second = _axes(plane)
            for level in range(levels):
                size, side = entries[level], resolutions[level] + 1
                px = unit[n, first] * np.float32(resolutions[level])
                py = unit[n, second] * np.float32(resolutions[level])
                x, y = int(px), int(py)
                fx, fy = px - np.float32(x), py - np.float32(y)
                gx, gy = np.float32(1) - fx, np.float32(1) - fy
                start = plane * whole + starts[level]
                a, b = start + _row(x, y, side, size), start + _row(x + 1, y, side, size)
                c, d = start + _row(x, y + 1, side, size), start + _row(x + 1, y + 1, side, size)
                for f in range(features):
                    out[n, (plane * levels + level) * features + f] = gy * (
                        gx * table[a, f] + fx * table[b, f]
                    ) + fy * (gx * table[c, f] + fx * table[d, f])


@njit(parallel=True, fastmath=True, cache=True)
def _scatter(unit, gradient, resolutions, entries, to_table):
    levels, features = len(resolutions), to_table.shape[1]
    starts = np.cumsum(entries) - entries
    whole = entries.sum()
    for part in prange(3 * levels):  # each level of each plane has rows of its own: no two threads meet
        plane, level = part // levels, part % levels
        first, second = _axes(plane)
        size, side = entries[level], resolutions[level] + 1
        start = plane * whole + starts[level]
        for n in range(len(unit)):
            px = unit[n, first] * np.float32(resolutions[level])
            py = unit[n, second] * np.float32(resolutions[level])
            x, y = int(px), int(py)
            fx, fy = px - np.float32(x), py - np.float32(y)
            gx, gy = np.float32(1) - fx, np.float32(1) - fy
            a, b = start + _row(x, y, side, size), start + _row(x + 1, y, side, size)
            c, d = start + _row(x, y + 1, side, size), start + _row(x + 1, y + 1, side, size)
            for f in range(features):
                g = gradient[n, part * features + f]
                to_table[a, f] += gx * gy * g
                to_table[b, f] += fx * gy * g
                to_table[c, f] += gx * fy * g
                to_table[d, f] += fx * fy * g
