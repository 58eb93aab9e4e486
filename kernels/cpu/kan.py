"""Spline edges on a CPU: four of the splines are not zero at any point, and only they are computed.

The plain implementation in ``scene.kan`` multiplies all of them, through memory; ``spline_sum`` here is its fast twin,
:func:`two_layers` that of a whole decoder without gradients: a block of rows goes through both layers while its
numbers, and each node's weights, are in the first-level cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor
from torch.nn import functional

from kernels.cpu.threads import kernels

BLOCK = 32  # rows that go through a layer together
PADDED = 16  # outputs of a decoder: one whole vector


def spline_sum(t: Float[Tensor, "*B I"], spline: Float[Tensor, "I G O"]) -> Float[Tensor, "*B O"]:
    """See ``scene.kan``; NotImplemented but for float32."""
    if t.dtype != torch.float32:
        return NotImplemented
    return _SplineSum.apply(t.flatten(0, -2), spline).unflatten(0, t.shape[:-1])


def decode(
    x: Float[Tensor, "*B I"], onto: Float[Tensor, "N H"] | None, layers: Sequence[tuple[Tensor, Tensor]]
) -> Float[Tensor, "*B O"]:
    """See ``scene.kan``; NotImplemented but for two layers with few outputs, float32, without gradients."""
    outputs = layers[-1][0].shape[-1]
    if torch.is_grad_enabled() or len(layers) != 2 or outputs > PADDED or x.dtype != torch.float32:
        return NotImplemented
    batch = x if x.ndim == 3 else x[None]
    shared = x.new_zeros(batch.shape[1], layers[0][0].shape[-1]) if onto is None else onto
    decoded = two_layers(batch, shared, flat_layers(*layers[0], *layers[1]))[..., :outputs]
    return decoded if x.ndim == 3 else decoded[0]


class _SplineSum(torch.autograd.Function):
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


class FlatLayers(NamedTuple):
    """The weights of two layers as the kernel reads them, flat."""

    base1: Float[np.ndarray, "W*H"]
    spline1: Float[np.ndarray, "W*G*H"]
    base2: Float[np.ndarray, "H*16"]
    spline2: Float[np.ndarray, "H*G*16"]


def flat_layers(
    base1: Float[Tensor, "W H"],
    spline1: Float[Tensor, "W G H"],
    base2: Float[Tensor, "H O"],
    spline2: Float[Tensor, "H G O"],
) -> FlatLayers:
    """Lay two layers out; the second has at most 16 outputs and is padded to them."""
    padding = (0, PADDED - base2.shape[-1])
    weights = base1, spline1, functional.pad(base2, padding), functional.pad(spline2, padding)
    return FlatLayers(*(x.detach().contiguous().numpy().reshape(-1) for x in weights))


def two_layers(x: Float[Tensor, "B M W"], shared: Float[Tensor, "M H"], layers: FlatLayers) -> Float[Tensor, "B M 16"]:
    """A decoder's outputs, padded. ``shared``: what inputs other than ``x`` contribute to the hidden layer."""
    hidden = shared.shape[1]
    out = torch.empty(*x.shape[:2], PADDED)
    kernel = _two_layers(x.shape[2], hidden, len(layers.spline2) // (hidden * PADDED))
    with kernels():
        kernel(x.detach().contiguous().numpy(), shared.detach().contiguous().numpy(), *layers, out.numpy())
    return out


# exp(-x) for x in 0..16: a polynomial for exp(-x/32), five times squared; relative error below 5e-6
E0, E1, E2, E3, E4, E5 = (
    np.polynomial.Chebyshev.interpolate(lambda x: np.exp(-x / 32), 5, domain=[0, 16])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)
LAST_X = np.float32(16)
ZERO, ONE, HALF, SIXTH = np.float32(0), np.float32(1), np.float32(0.5), np.float32(1 / 6)
FOUR, SIX, THREE = np.float32(4), np.float32(6), np.float32(3)


@njit(inline="always")
def _activate(x, intervals, silu, cells, b0, b1, b2, b3):
    """For each input: silu, the spline interval of tanh, and the four splines that are not zero there."""
    for i in range(len(x)):
        y = abs(x[i])
        y = y if y < LAST_X else LAST_X
        e = E0 + y * (E1 + y * (E2 + y * (E3 + y * (E4 + y * E5))))
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        sigmoid = ONE / (ONE + e)
        tanh = (ONE - e * e) / (ONE + e * e)
        sigmoid = sigmoid if x[i] >= ZERO else ONE - sigmoid
        tanh = tanh if x[i] >= ZERO else -tanh
        silu[i] = x[i] * sigmoid
        position = (tanh + ONE) * HALF * intervals
        cell = np.floor(position)
        cell = cell if cell < intervals - ONE else intervals - ONE
        u = position - cell
        v = ONE - u
        cells[i] = np.int32(cell)
        b0[i] = v * v * v * SIXTH
        b1[i] = (FOUR - SIX * u * u + THREE * u * u * u) * SIXTH
        b2[i] = (FOUR - SIX * v * v + THREE * v * v * v) * SIXTH
        b3[i] = u * u * u * SIXTH


@njit(inline="always")
def _layer(silu, cells, b0, b1, b2, b3, base, spline, inputs, functions, size, out):
    """Add what a layer makes of its activated inputs [inputs, block] to ``out`` [block, size]."""
    for i in range(inputs):
        for g in range(np.uint64(BLOCK)):
            at = i * np.uint64(BLOCK) + g
            a, f0, f1, f2, f3 = silu[at], b0[at], b1[at], b2[at], b3[at]
            w, s = i * size, (i * functions + np.uint64(cells[at])) * size
            for o in range(size):
                even = f0 * spline[s + o] + f1 * spline[s + size + o]
                odd = f2 * spline[s + size + size + o] + f3 * spline[s + size + size + size + o]
                out[g * size + o] += a * base[w + o] + even + odd


@lru_cache
def _two_layers(width: int, hidden: int, splines: int) -> Any:
    """The compiled pass for layers of ``width`` and ``hidden`` inputs with ``splines`` functions to an edge.

    All are constants of the machine code: the loops over them become a few vector instructions.
    """
    functions, intervals = np.uint64(splines), np.float32(splines - 3)
    first, second, outputs = np.uint64(width), np.uint64(hidden), np.uint64(PADDED)
    largest = max(width, hidden) * BLOCK

    @njit(parallel=True, fastmath=True, cache=True, nogil=True)
    def decode(inputs, shared, base1, spline1, base2, spline2, out):
        batch, count = inputs.shape[0], inputs.shape[1]
        blocks = (count + BLOCK - 1) // BLOCK
        for job in prange(batch * blocks):
            frame, start = job // blocks, (job % blocks) * BLOCK
            filled = min(BLOCK, count - start)
            x = np.zeros(largest, np.float32)
            silu, cells = np.empty(largest, np.float32), np.empty(largest, np.int32)
            b0, b1 = np.empty(largest, np.float32), np.empty(largest, np.float32)
            b2, b3 = np.empty(largest, np.float32), np.empty(largest, np.float32)
            middle, last = np.zeros(BLOCK * hidden, np.float32), np.zeros(BLOCK * PADDED, np.float32)
            for g in range(filled):
                for i in range(width):
                    x[i * BLOCK + g] = inputs[frame, start + g, i]
                for i in range(hidden):
                    middle[g * hidden + i] = shared[start + g, i]
            _activate(x[: width * BLOCK], intervals, silu, cells, b0, b1, b2, b3)
            _layer(silu, cells, b0, b1, b2, b3, base1, spline1, first, functions, second, middle)
            for i in range(hidden):
                for g in range(BLOCK):
                    x[i * BLOCK + g] = middle[g * hidden + i]
            _activate(x[: hidden * BLOCK], intervals, silu, cells, b0, b1, b2, b3)
            _layer(silu, cells, b0, b1, b2, b3, base2, spline2, second, functions, outputs, last)
            for g in range(filled):
                for o in range(PADDED):
                    out[frame, start + g, o] = last[g * PADDED + o]

    return decode
