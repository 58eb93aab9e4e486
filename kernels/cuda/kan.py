"""Spline edges on NVIDIA GPUs: a layer of a KAN in one kernel, its gradient in two, written in Triton.

The plain implementation in ``scene.kan`` keeps the value of every spline of every input in memory, eight times what the
layer reads; here they are computed where they are used. Products run on the tensor cores: forward in half precision,
whose fraction is TF32's (splines and weights are of the order of one), backward in bfloat16, whose range is float32's.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

ROWS = 64  # rows that a program handles at once
WARPS = 4
CHUNKS = 256  # at most so many parts of the rows have their gradients of the weights summed apart
MIN_BLOCKS = 8  # programs' rows in such a part, if there are enough
WIDEST = 128  # inputs and outputs of a layer that fit the registers
EDGES = 3  # base function and splines whose gradients a program gathers at once


def spline_edges(
    x: Float[Tensor, "*B I"],
    base: Float[Tensor, "I O"],
    spline: Float[Tensor, "I G O"],
    onto: Float[Tensor, "N O"] | None = None,
) -> Float[Tensor, "*B O"]:
    """See ``scene.kan``; NotImplemented but for float32 weights of layers that are not too wide."""
    known = base.dtype == torch.float32 and x.dtype in (torch.float32, torch.bfloat16)
    if not known or max(base.shape) > WIDEST:
        return NotImplemented
    return _SplineEdges.apply(x.flatten(0, -2), base, spline, onto).unflatten(0, x.shape[:-1])


class _SplineEdges(torch.autograd.Function):
    """``y[n] = silu(x[n]) base + sum_i sum_g B_g(tanh x[n, i]) spline[i, g] + onto[n mod N]``, with all gradients."""

    @staticmethod
    def forward(
        ctx,
        x: Float[Tensor, "M I"],
        base: Float[Tensor, "I O"],
        spline: Float[Tensor, "I G O"],
        onto: Float[Tensor, "N O"] | None = None,
    ) -> Float[Tensor, "M O"]:
        """``x``: float32 or bfloat16, as is then its gradient; all else is float32."""
        x, base, spline = x.contiguous(), base.contiguous(), spline.contiguous()
        ctx.save_for_backward(x, base, spline)
        rows, sizes = len(x), {**_sizes(spline), "ROWS": ROWS, "num_warps": WARPS}
        out = base.new_empty(rows, base.shape[1])
        ctx.shared = None if onto is None else len(onto)
        if rows:
            first, frequency = (out, 1) if onto is None else (onto.contiguous(), len(onto))
            grid = (triton.cdiv(rows, ROWS),)
            _forward[grid](x, base, spline, first, out, rows, frequency, ONTO=onto is not None, **sizes)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "M O"]) -> tuple[Tensor | None, Tensor, Tensor, Tensor | None]:
        x, base, spline = ctx.saved_tensors
        gradient = gradient.contiguous()
        rows, sizes = len(x), {**_sizes(spline), "ROWS": ROWS, "num_warps": WARPS}
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = torch.empty_like(x)
            if rows:
                _to_inputs[(triton.cdiv(rows, ROWS),)](x, base, spline, gradient, to_x, rows, **sizes)
        blocks = triton.cdiv(rows, ROWS)
        chunks = max(1, min(CHUNKS, blocks // MIN_BLOCKS))
        parts = base.new_empty(chunks if rows else 0, sizes["SPLINES"] + 1, *base.shape)
        if rows:
            blocks = triton.cdiv(blocks, chunks)
            grid = (triton.cdiv(sizes["SPLINES"] + 1, EDGES), chunks)
            _to_weights[grid](x, gradient, parts, rows, blocks, **sizes)
        whole = parts.sum(dim=0)
        to_onto = None if ctx.shared is None else gradient.unflatten(0, (-1, ctx.shared)).sum(dim=0)
        return to_x, whole[0], whole[1:].transpose(0, 1), to_onto


def _sizes(spline: Tensor) -> dict[str, int]:
    """A layer's inputs, splines and outputs, and the first and last padded for the tensor cores."""
    inputs, splines, outputs = spline.shape
    lanes = {
        f"{name}_LANES": max(16, triton.next_power_of_2(n)) for name, n in (("INPUT", inputs), ("OUTPUT", outputs))
    }
    return {"INPUTS": inputs, "SPLINES": splines, "OUTPUTS": outputs, **lanes}


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _spline(position, g):
    """The cubic B-spline whose centre is at ``g - 1`` intervals, and its slope there."""
    u = position - (g - 1)
    sign = tl.where(u < 0, -1.0, 1.0)
    u = tl.abs(u)
    wide, narrow = tl.maximum(2 - u, 0.0), tl.maximum(1 - u, 0.0)
    value = (wide * wide * wide - 4 * narrow * narrow * narrow) * (1.0 / 6.0)
    slope = sign * (2 * narrow * narrow - 0.5 * wide * wide)
    return value, slope


@triton.jit
def _forward(
    x_at, base_at, spline_at, onto_at, out_at, rows, frequency, ONTO: tl.constexpr,
    INPUTS: tl.constexpr, SPLINES: tl.constexpr, OUTPUTS: tl.constexpr,
    INPUT_LANES: tl.constexpr, OUTPUT_LANES: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    i, o = tl.arange(0, INPUT_LANES), tl.arange(0, OUTPUT_LANES)
    inside = (n[:, None] < rows) & (i[None, :] < INPUTS)
    weights = (i[:, None] < INPUTS) & (o[None, :] < OUTPUTS)
    x = tl.load(x_at + n[:, None] * INPUTS + i[None, :], mask=inside, other=0.0).to(tl.float32)
    position = _sigmoid(2 * x) * (SPLINES - 3)
    weight = tl.load(base_at + i[:, None] * OUTPUTS + o[None, :], mask=weights, other=0.0)
    total = tl.dot((x * _sigmoid(x)).to(tl.float16), weight.to(tl.float16))
    for g in range(SPLINES):
        value, _ = _spline(position, g)
        weight = tl.load(spline_at + (i[:, None] * SPLINES + g) * OUTPUTS + o[None, :], mask=weights, other=0.0)
        total += tl.dot(value.to(tl.float16), weight.to(tl.float16))
    of_output = (n[:, None] < rows) & (o[None, :] < OUTPUTS)
    if ONTO:
        total += tl.load(onto_at + (n[:, None] % frequency) * OUTPUTS + o[None, :], mask=of_output, other=0.0)
    tl.store(out_at + n[:, None] * OUTPUTS + o[None, :], total, mask=of_output)


@triton.jit
def _to_inputs(
    x_at, base_at, spline_at, gradient_at, to_x_at, rows,
    INPUTS: tl.constexpr, SPLINES: tl.constexpr, OUTPUTS: tl.constexpr,
    INPUT_LANES: tl.constexpr, OUTPUT_LANES: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    i, o = tl.arange(0, INPUT_LANES), tl.arange(0, OUTPUT_LANES)
    inside = (n[:, None] < rows) & (i[None, :] < INPUTS)
    weights = (o[:, None] < OUTPUTS) & (i[None, :] < INPUTS)
    x = tl.load(x_at + n[:, None] * INPUTS + i[None, :], mask=inside, other=0.0).to(tl.float32)
    of_output = (n[:, None] < rows) & (o[None, :] < OUTPUTS)
    gradient = tl.load(gradient_at + n[:, None] * OUTPUTS + o[None, :], mask=of_output, other=0.0).to(tl.bfloat16)
    sigmoid, half = _sigmoid(x), _sigmoid(2 * x)
    position = half * (SPLINES - 3)
    weight = tl.load(base_at + i[None, :] * OUTPUTS + o[:, None], mask=weights, other=0.0)
    total = tl.dot(gradient, weight.to(tl.bfloat16)) * (sigmoid * (1 + x * (1 - sigmoid)))
    by_position = tl.zeros((ROWS, INPUT_LANES), tl.float32)
    for g in range(SPLINES):
        _, slope = _spline(position, g)
        weight = tl.load(spline_at + (i[None, :] * SPLINES + g) * OUTPUTS + o[:, None], mask=weights, other=0.0)
        by_position += slope * tl.dot(gradient, weight.to(tl.bfloat16))
    total += by_position * (SPLINES - 3) * 2 * half * (1 - half)
    tl.store(to_x_at + n[:, None] * INPUTS + i[None, :], total, mask=inside)


@triton.jit
def _to_weights(
    x_at, gradient_at, parts_at, rows, blocks,
    INPUTS: tl.constexpr, SPLINES: tl.constexpr, OUTPUTS: tl.constexpr,
    INPUT_LANES: tl.constexpr, OUTPUT_LANES: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    first, chunk = tl.program_id(0) * 3, tl.program_id(1)
    i, o = tl.arange(0, INPUT_LANES), tl.arange(0, OUTPUT_LANES)
    a = tl.zeros((INPUT_LANES, OUTPUT_LANES), tl.float32)
    b, c = a, a
    for block in range(blocks):
        n = (chunk.to(tl.int64) * blocks + block) * ROWS + tl.arange(0, ROWS)
        inside = (n[None, :] < rows) & (i[:, None] < INPUTS)
        x = tl.load(x_at + n[None, :] * INPUTS + i[:, None], mask=inside, other=0.0).to(tl.float32)
        of_output = (n[:, None] < rows) & (o[None, :] < OUTPUTS)
        gradient = tl.load(gradient_at + n[:, None] * OUTPUTS + o[None, :], mask=of_output, other=0.0)
        gradient = gradient.to(tl.bfloat16)
        position = _sigmoid(2 * x) * (SPLINES - 3)
        value, _ = _spline(position, first - 1)
        value = tl.where(first == 0, x * _sigmoid(x), value)
        a += tl.dot(value.to(tl.bfloat16), gradient)
        value, _ = _spline(position, first)
        b += tl.dot(value.to(tl.bfloat16), gradient)
        value, _ = _spline(position, first + 1)
        c += tl.dot(value.to(tl.bfloat16), gradient)
    weights = (i[:, None] < INPUTS) & (o[None, :] < OUTPUTS)
    edge = INPUTS * OUTPUTS
    at = parts_at + (chunk * (SPLINES + 1) + first) * edge + i[:, None] * OUTPUTS + o[None, :]
    tl.store(at, a, mask=weights & (first <= SPLINES))
    tl.store(at + edge, b, mask=weights & (first + 1 <= SPLINES))
    tl.store(at + 2 * edge, c, mask=weights & (first + 2 <= SPLINES))
