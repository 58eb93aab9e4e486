"""The multi-scale gradient loss on NVIDIA GPUs: one kernel a scale, which finds the loss's own gradient at once.

Twin of ``training.losses.multi_scale_gradients``; written in Triton.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

LANES = 512


def multi_scale_gradients(image: Float[Tensor, "B H W C"], truth: Float[Tensor, "B H W C"], scales: int = 3) -> Tensor:
    """See ``training.losses``; NotImplemented but for float32 and a truth without gradient."""
    if not image.dtype == truth.dtype == torch.float32 or truth.requires_grad:
        return NotImplemented
    return _MultiScaleGradients.apply(image, truth, scales)


class _MultiScaleGradients(torch.autograd.Function):
    """L1 between the pictures' horizontal and vertical differences, over a pyramid; differentiable in the first."""

    @staticmethod
    def forward(
        ctx, image: Float[Tensor, "B H W C"], truth: Float[Tensor, "B H W C"], scales: int
    ) -> Float[Tensor, ""]:
        levels = [(image - truth).contiguous()]
        for _ in range(scales - 1):
            levels.append(_pooled(levels[-1]))
        slope, parts = None, []
        for level in reversed(levels):  # from the coarsest: the gradient comes down with it
            slope, part = _edges(level, slope)
            parts.append(part)
        ctx.save_for_backward(slope)
        return torch.cat(parts).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, ""]) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0] * gradient, None, None


def _pooled(level: Float[Tensor, "B H W C"]) -> Float[Tensor, "B h w C"]:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    batch, height, width, channels = level.shape
    out = level.new_empty(batch, height // 2, width // 2, channels)
    sizes = (width * channels, out.shape[2] * channels, out.shape[1], height)
    _pool[(triton.cdiv(out.numel(), LANES),)](level, out, out.numel(), *sizes, CHANNELS=channels, LANES=LANES)
    return out


def _edges(level: Float[Tensor, "B H W C"], coarser: Float[Tensor, "B h w C"] | None) -> tuple[Tensor, Tensor]:
    """The gradient of a level's loss, and the ``coarser`` ones', by its pixels; and parts of its loss to be summed."""
    batch, height, width, channels = level.shape
    slope = torch.empty_like(level)
    blocks = triton.cdiv(level.numel(), LANES)
    parts = level.new_empty(blocks)
    across, down = (1.0 / max(1, batch * channels * (height - a) * (width - b)) for a, b in ((0, 1), (1, 0)))
    below = level if coarser is None else coarser
    _edge[(blocks,)](
        level, below, slope, parts, level.numel(), height, width * channels, below.shape[1], below.shape[2] * channels,
        across, down, COARSER=coarser is not None, CHANNELS=channels, LANES=LANES,
    )  # fmt: skip
    return slope, parts


@triton.jit
def _pool(
    level_at, out_at, count, wide, narrow, short, height,
    CHANNELS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = at < count
    place, row = at % narrow, at // narrow
    picture, row = row // short, row % short
    left = place // CHANNELS * 2 * CHANNELS + place % CHANNELS
    first = level_at + (picture * height + 2 * row) * wide + left
    top = tl.load(first, mask=inside, other=0.0) + tl.load(first + CHANNELS, mask=inside, other=0.0)
    first += wide
    bottom = tl.load(first, mask=inside, other=0.0) + tl.load(first + CHANNELS, mask=inside, other=0.0)
    tl.store(out_at + at, 0.25 * (top + bottom), mask=inside)


@triton.jit
def _sign(x):
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, 0.0))


@triton.jit
def _edge(
    level_at, coarser_at, slope_at, parts_at, count, height, wide, short, narrow, across, down,
    COARSER: tl.constexpr, CHANNELS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = at < count
    place, row = at % wide, at // wide
    picture, row = row // height, row % height
    here = tl.load(level_at + at, mask=inside, other=0.0)
    has_right, has_left = inside & (place + CHANNELS < wide), inside & (place >= CHANNELS)
    has_below, has_above = inside & (row + 1 < height), inside & (row > 0)
    right = tl.where(has_right, tl.load(level_at + at + CHANNELS, mask=has_right, other=0.0) - here, 0.0)
    left = tl.where(has_left, here - tl.load(level_at + at - CHANNELS, mask=has_left, other=0.0), 0.0)
    below = tl.where(has_below, tl.load(level_at + at + wide, mask=has_below, other=0.0) - here, 0.0)
    above = tl.where(has_above, here - tl.load(level_at + at - wide, mask=has_above, other=0.0), 0.0)
    slope = across * (_sign(left) - _sign(right)) + down * (_sign(above) - _sign(below))
    if COARSER:
        x, y = place // CHANNELS // 2 * CHANNELS + place % CHANNELS, row // 2
        known = inside & (x < narrow) & (y < short)
        slope += 0.25 * tl.load(coarser_at + (picture * short + y) * narrow + x, mask=known, other=0.0)
    tl.store(slope_at + at, slope, mask=inside)
    tl.store(parts_at + tl.program_id(0), tl.sum(across * tl.abs(right) + down * tl.abs(below)))
