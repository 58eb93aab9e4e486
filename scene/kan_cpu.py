"""The sum over spline edges on a CPU: four of the splines are not zero at any point, and only they are computed.

The plain implementation in ``scene.kan`` multiplies all of them, through memory; this is its fast twin.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from scene.numba_threads import kernels


class SplineSum(torch.autograd.Function):
    """``y[n] = sum_i sum_g B_g(t[n, i]) w[i, g]`` for float32 tensors on the CPU, differentiable in both."""

    @staticmethod
    def forward(ctx, t: Float[Tensor, "M I"], weights: Float[Tensor, "I G O"]) -> Float[Tensor, "M O"]:
        t, weights = t.contiguous(), weights.contiguous()
        ctx.save_for_backward(t, weights)
        out = torch.zeros(len(t), weights.shape[2])
        with kernels():
            _forward(t.detach().numpy(), weights.detach().numpy(), out.numpy())
        return out

    @staticmethod
    def backward(ctx, gradient: Float[Tensor, "M O"]) -> tuple[Tensor, Tensor]:
        t, weights = ctx.saved_tensors
        gradient = gradient.contiguous()
        to_t = torch.empty_like(t)
        with kernels() as threads:
            to_weights = torch.zeros(threads, *weights.shape)
            arrays = (x.detach().numpy() for x in (t, weights, gradient, to_t, to_weights))
            _backward(*arrays)
        return to_t, to_weights.sum(dim=0)


@njit(inline="always")
def _cell(t, intervals):
    """Interval that holds t, and how far into it (0..1); t outside of [-1, 1] belongs to the nearest interval."""
    position = (t + np.float32(1)) * np.float32(0.5) * np.float32(intervals)
    cell = min(max(int(position), 0), intervals - 1)
    return cell, position - np.float32(cell)


@njit(parallel=True, fastmath=True, cache=True)
def _forward(t, weights, out):
    rows, inputs = t.shape
    outputs, intervals = weights.shape[2], weights.shape[1] - 3
    sixth = np.float32(1 / 6)
    for n in prange(rows):
        for i in range(inputs):
            cell, u = _cell(t[n, i], intervals)
            v = np.float32(1) - u
            b0 = v * v * v * sixth
            b1 = (np.float32(4) - np.float32(6) * u * u + np.float32(3) * u * u * u) * sixth
            b2 = (np.float32(4) - np.float32(6) * v * v + np.float32(3) * v * v * v) * sixth
            b3 = u * u * u * sixth
            for o in range(outputs):
                out[n, o] += (
                    b0 * weights[i, cell, o]
                    + b1 * weights[i, cell + 1, o]
                    + b2 * weights[i, cell + 2, o]
                    + b3 * weights[i, cell + 3, o]
                )


@njit(parallel=True, fastmath=True, cache=True)
def _backward(t, weights, gradient, to_t, to_weights):
    rows, inputs = t.shape
    outputs, intervals = weights.shape[2], weights.shape[1] - 3
    threads = to_weights.shape[0]
    half, sixth = np.float32(0.5), np.float32(1 / 6)
    slope = half * np.float32(intervals)  # of the position in intervals, by t
    for thread in prange(threads):
        mine = to_weights[thread]
        for n in range(rows * thread // threads, rows * (thread + 1) // threads):
            row = gradient[n]
            for i in range(inputs):
                cell, u = _cell(t[n, i], intervals)
                v = np.float32(1) - u
                b0 = v * v * v * sixth
                b1 = (np.float32(4) - np.float32(6) * u * u + np.float32(3) * u * u * u) * sixth
                b2 = (np.float32(4) - np.float32(6) * v * v + np.float32(3) * v * v * v) * sixth
                b3 = u * u * u * sixth
                d0 = -half * v * v
                d1 = (np.float32(1.5) * u - np.float32(2)) * u
                d2 = (np.float32(2) - np.float32(1.5) * v) * v
                d3 = half * u * u
                w0, w1, w2, w3 = weights[i, cell], weights[i, cell + 1], weights[i, cell + 2], weights[i, cell + 3]
                total = np.float32(0)
                for o in range(outputs):
                    total += row[o] * (d0 * w0[o] + d1 * w1[o] + d2 * w2[o] + d3 * w3[o])
                for k, b in enumerate((b0, b1, b2, b3)):  # one simple loop each: LLVM makes SIMD of it
                    to_row = mine[i, cell + k]
                    for o in range(outputs):
                        to_row[o] += b * row[o]
                to_t[n, i] = total * slope
