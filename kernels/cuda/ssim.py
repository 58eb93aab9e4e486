"""SSIM and its gradient on NVIDIA GPUs: two kernels each way, written in Triton.

Twin of the plain implementation in ``imaging.ssim``. The first kernel filters the four moments along columns, the
second along rows and finishes the similarity together with its derivatives by the moments; on the way back these are
filtered again, the window being symmetric.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

LANES = 512


def similarity(
    x: Float[Tensor, "B H W C"],
    y: Float[Tensor, "B H W C"],
    window: Float[Tensor, "T"],
    stabilizers: tuple[float, float],
) -> Float[Tensor, "B"]:
    """See ``imaging.ssim``; NotImplemented but for float32 and a second picture without gradient."""
    if not x.dtype == y.dtype == torch.float32 or y.requires_grad:
        return NotImplemented
    return _Similarity.apply(x, y, window, stabilizers)


class _Similarity(torch.autograd.Function):
    """Mean SSIM of each picture; differentiable in the first."""

    @staticmethod
    def forward(
        ctx,
        image: Float[Tensor, "B H W C"],
        truth: Float[Tensor, "B H W C"],
        window: Float[Tensor, "T"],
        stabilizers: tuple[float, float],
    ) -> Float[Tensor, "B"]:
        """``window``: its taps, symmetric, summing to 1. ``stabilizers``: the paper's C1 and C2."""
        image, truth = image.contiguous(), truth.contiguous()
        batch, height, width, channels = image.shape
        lost = len(window) - 1
        inner, kept = width * channels, (height - lost) * (width - lost) * channels
        columns = image.new_empty(4, batch, height - lost, inner)
        count = batch * (height - lost) * inner
        _columns[(triton.cdiv(count, LANES),)](
            image, truth, window, columns, count, (height - lost) * inner, height * inner, inner,
            TAPS=len(window), LANES=LANES,
        )  # fmt: skip
        slopes = image.new_empty(3, batch, kept)
        parts = image.new_empty(batch, triton.cdiv(kept, LANES))
        _similarity[(parts.shape[1], batch)](
            columns, window, slopes, parts, kept, (width - lost) * channels, inner, count, *stabilizers,
            CHANNELS=channels, TAPS=len(window), LANES=LANES,
        )  # fmt: skip
        ctx.save_for_backward(image, truth, window, slopes)
        return parts.sum(dim=1) / kept

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "B"]) -> tuple[Tensor, None, None, None]:
        image, truth, window, slopes = ctx.saved_tensors
        batch, height, width, channels = image.shape
        lost = len(window) - 1
        inner, kept = width * channels, slopes.shape[2]
        rows = image.new_empty(3, batch, height - lost, inner)
        count = batch * (height - lost) * inner
        _spread_rows[(triton.cdiv(count, LANES), 3)](
            slopes, window, rows, count, (width - lost) * channels, inner, batch * kept,
            CHANNELS=channels, TAPS=len(window), LANES=LANES,
        )  # fmt: skip
        to_image = torch.empty_like(image)
        scale = gradient.contiguous() / kept
        _spread_columns[(triton.cdiv(height * inner, LANES), batch)](
            image, truth, rows, window, scale, to_image, height, height - lost, inner, count,
            TAPS=len(window), LANES=LANES,
        )  # fmt: skip
        return to_image, None, None, None


@triton.jit
def _columns(image_at, truth_at, window_at, out_at, count, kept, whole, inner, TAPS: tl.constexpr, LANES: tl.constexpr):
    at = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = at < count
    first = at // kept * whole + at % kept
    x_sum = tl.zeros((LANES,), tl.float32)
    y_sum, product_sum, square_sum = x_sum, x_sum, x_sum
    for tap in tl.static_range(TAPS):
        weight = tl.load(window_at + tap)
        x = tl.load(image_at + first + tap * inner, mask=inside, other=0.0)
        y = tl.load(truth_at + first + tap * inner, mask=inside, other=0.0)
        x_sum += weight * x
        y_sum += weight * y
        product_sum += weight * x * y
        square_sum += weight * (x * x + y * y)
    tl.store(out_at + at, x_sum, mask=inside)
    tl.store(out_at + count + at, y_sum, mask=inside)
    tl.store(out_at + 2 * count + at, product_sum, mask=inside)
    tl.store(out_at + 3 * count + at, square_sum, mask=inside)


@triton.jit
def _similarity(
    columns_at, window_at, slopes_at, parts_at, kept, narrow, inner, count, c1, c2,
    CHANNELS: tl.constexpr, TAPS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * LANES + tl.arange(0, LANES)
    b = tl.program_id(1)
    inside = at < kept
    first = b * (kept // narrow) * inner + at // narrow * inner + at % narrow
    x = tl.zeros((LANES,), tl.float32)
    y, product, square = x, x, x
    for tap in tl.static_range(TAPS):
        weight = tl.load(window_at + tap)
        here = columns_at + first + tap * CHANNELS
        x += weight * tl.load(here, mask=inside, other=0.0)
        y += weight * tl.load(here + count, mask=inside, other=0.0)
        product += weight * tl.load(here + 2 * count, mask=inside, other=0.0)
        square += weight * tl.load(here + 3 * count, mask=inside, other=0.0)
    a1 = 2 * x * y + c1
    a2 = 2 * (product - x * y) + c2
    b1 = x * x + y * y + c1
    b2 = square - x * x - y * y + c2
    whole = 1.0 / (b1 * b2)
    similarity = a1 * a2 * whole
    tl.store(parts_at + b * tl.num_programs(0) + tl.program_id(0), tl.sum(tl.where(inside, similarity, 0.0)))
    slopes = slopes_at + b * kept + at
    plane = tl.num_programs(1) * kept
    by_x = 2 * y * (a2 - a1) * whole + 2 * x * similarity * (1.0 / b2 - 1.0 / b1)
    tl.store(slopes, by_x, mask=inside)
    tl.store(slopes + plane, 2 * a1 * whole, mask=inside)
    tl.store(slopes + 2 * plane, -similarity / b2, mask=inside)


@triton.jit
def _spread_rows(
    slopes_at, window_at, out_at, count, narrow, inner, plane,
    CHANNELS: tl.constexpr, TAPS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * LANES + tl.arange(0, LANES)
    which = tl.program_id(1)
    place = at % inner
    first = which * plane + at // inner * narrow + place
    total = tl.zeros((LANES,), tl.float32)
    for tap in tl.static_range(TAPS):
        from_here = place - tap * CHANNELS
        known = (at < count) & (from_here >= 0) & (from_here < narrow)
        total += tl.load(window_at + tap) * tl.load(slopes_at + first - tap * CHANNELS, mask=known, other=0.0)
    tl.store(out_at + which * count + at, total, mask=at < count)


@triton.jit
def _spread_columns(
    image_at, truth_at, rows_at, window_at, scale_at, out_at, height, short, inner, count,
    TAPS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * LANES + tl.arange(0, LANES)
    b = tl.program_id(1)
    inside = at < height * inner
    row = at // inner
    first = b * short * inner + at
    by_x = tl.zeros((LANES,), tl.float32)
    by_product, by_square = by_x, by_x
    for tap in tl.static_range(TAPS):
        known = inside & (row >= tap) & (row - tap < short)
        weight = tl.load(window_at + tap)
        here = rows_at + first - tap * inner
        by_x += weight * tl.load(here, mask=known, other=0.0)
        by_product += weight * tl.load(here + count, mask=known, other=0.0)
        by_square += weight * tl.load(here + 2 * count, mask=known, other=0.0)
    here = b * height * inner + at
    x = tl.load(image_at + here, mask=inside, other=0.0)
    y = tl.load(truth_at + here, mask=inside, other=0.0)
    slope = by_x + by_product * y + 2 * by_square * x
    tl.store(out_at + here, tl.load(scale_at + b) * slope, mask=inside)
