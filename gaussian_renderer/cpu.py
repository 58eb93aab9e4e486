"""The CPU rasterizer: 16x16 tiles, front to back, compiled by numba, differentiable.

Both directions walk a tile's list nearest first and a Gaussian's rows of pixels as one array, which LLVM turns into
SIMD code. With T the transmittance before a Gaussian, C its colour, w = alpha T and R the light that is still to come
(all that lies behind, background included) weighted by the pixel's gradient g:

    dL/dalpha = T (C . g) - R / (1 - alpha)

R starts as the finished pixel's colour times g and loses w (C . g) with every Gaussian, so the backward pass repeats
the forward pass and stores nothing per pixel and Gaussian. Each (tile, Gaussian) pair writes its own gradient; they
are summed Gaussian by Gaussian afterwards, without atomics and in a fixed order.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange, types
from numba.extending import overload
from torch import Tensor

from gaussian_renderer.binning import TILE, TileLists, tile_lists
from gaussian_renderer.conventions import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, RenderOutput
from gaussian_renderer.numba_threads import kernels
from gaussian_renderer.projection import project
from scene.cameras import Camera
from scene.gaussians import Gaussians

PIXELS = TILE * TILE
CHECK_EVERY = 16  # Gaussians between two looks at whether a tile is finished
FAST = {"reassoc", "contract", "nsz", "arcp"}  # not nnan, ninf: gradients from outside may be anything


def rasterize(
    gaussians: Gaussians, colors: Float[Tensor, "B N 3"], camera: Camera, background: Float[Tensor, "B H W 3"]
) -> RenderOutput:
    """Render a batch: ``gaussians`` and ``colors`` already have the camera's batch size; float32 or float64."""
    projection = project(gaussians, camera)
    image, alpha = _Blend.apply(
        projection.means2d,
        projection.conics,
        gaussians.opacities,
        colors,
        background,
        projection.depths,
        projection.radii,
        projection.boxes,
        camera.width,
        camera.height,
    )
    return RenderOutput(image, alpha, projection.means2d, projection.radii)


class _Blend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, means2d, conics, opacities, colors, background, depths, radii, boxes, width, height):
        image = means2d.new_empty(len(means2d), height, width, 3)
        transmittance = means2d.new_empty(len(means2d), height, width)
        with kernels() as threads:
            lists = tile_lists(
                means2d.contiguous().numpy(),
                conics.contiguous().numpy(),
                opacities.contiguous().numpy(),
                colors.contiguous().numpy(),
                depths.numpy(),
                radii.numpy(),
                boxes.numpy(),
                width,
                height,
                threads,
            )
            ends = np.empty(len(lists.starts) - 1, np.int64)
            _blend_forward(
                lists.splats,
                lists.starts,
                lists.ranks,
                background.contiguous().numpy(),
                image.numpy(),
                transmittance.numpy(),
                ends,
                threads,
            )
        ctx.lists, ctx.ends = lists, ends
        ctx.save_for_backward(image, transmittance)
        return image, (1 - transmittance)[..., None]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, v_image, v_alpha):
        image, transmittance = ctx.saved_tensors
        lists: TileLists = ctx.lists
        batch, count = lists.order.shape
        v_background = v_image * transmittance[..., None] if ctx.needs_input_grad[4] else None
        v_means2d, v_conics, v_opacities, v_colors = (image.new_zeros(batch, count, size) for size in (2, 3, 1, 3))
        with kernels() as threads:
            pairs = np.empty((len(lists.ranks), 9), lists.splats.dtype)
            _blend_backward(
                lists.splats,
                lists.starts,
                ctx.ends,
                lists.ranks,
                lists.slots,
                v_image.contiguous().numpy(),
                v_alpha[..., 0].contiguous().numpy(),
                image.numpy(),
                transmittance.numpy(),
                pairs,
                threads,
            )
            _sum_pairs(
                lists.order,
                lists.visible,
                lists.slot_starts,
                pairs,
                v_means2d.numpy(),
                v_conics.numpy(),
                v_opacities.numpy(),
                v_colors.numpy(),
            )
        return v_means2d, v_conics, v_opacities[..., 0], v_colors, v_background, None, None, None, None, None


def _exp_negative(x):  # pragma: no cover - replaced by the overload in compiled code
    return math.exp(-x)


@overload(_exp_negative, inline="always")
def _exp_negative_overload(x):
    """exp(-x): exact in float64; in float32 a polynomial for exp(-x/8), three times squared.

    Chebyshev interpolation of degree 5 on 0 <= x <= 6; relative error below 2e-6. Beyond 6 the value is that of 6:
    255 exp(-6) < 1, so no opacity makes it count.
    """
    if x == types.float64:
        return lambda x: math.exp(-x)

    def polynomial(x):
        x = min(x, LAST_X)
        y = E0 + x * (E1 + x * (E2 + x * (E3 + x * (E4 + x * E5))))
        y *= y
        y *= y
        return y * y

    return polynomial


LAST_X = np.float32(6)
E0, E1, E2, E3, E4, E5 = (
    np.polynomial.Chebyshev.interpolate(lambda x: np.exp(-x / 8), 5, domain=[0, 6])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)


# A tile's planes in one array, so that LLVM sees that they do not overlap; unsigned, so that it need not wrap indices.
# LIGHT is the transmittance, and its sign turns when the pixel is finished; X, Y are the pixel's place in the tile.
RED, GREEN, BLUE, REST, LIGHT, X, Y = (np.uint64(PIXELS * plane) for plane in range(7))


@njit(inline="always")
def _new_scratch(like):
    scratch = np.empty(7 * PIXELS, like.dtype)
    for p in range(np.uint64(PIXELS)):
        scratch[p + X], scratch[p + Y] = p % np.uint64(TILE), p // np.uint64(TILE)
    return scratch


@njit(inline="always")
def _row_range(y, box_y, top):
    """First and one past the last row of a tile whose pixel centres are within the box; ``top`` is the tile's edge."""
    first = min(max(math.ceil(y - box_y - top - 0.5), 0), TILE)
    last = min(max(math.floor(y + box_y - top - 0.5), -1), TILE - 1)
    return int(first), int(last) + 1


@njit(parallel=True, cache=True, nogil=True, fastmath=FAST)
def _blend_forward(splats, starts, ranks, background, image, transmittance, ends, workers):
    batch, height, width = transmittance.shape
    tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
    tiles = tiles_x * tiles_y
    number = splats.dtype.type
    one, zero = number(1), number(0)
    faintest, strongest, last_light = number(MIN_ALPHA), number(MAX_ALPHA), number(MIN_TRANSMITTANCE)
    for worker in prange(workers):
        scratch = _new_scratch(splats)
        for place in range(worker, batch * tiles, workers):
            b, tile = place // tiles, place % tiles
            left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
            scratch[:LIGHT] = zero
            scratch[LIGHT:X] = -one
            rows, columns = min(TILE, height - top), min(TILE, width - left)
            for row in range(rows):
                for column in range(columns):
                    scratch[np.uint64(row * TILE + column) + LIGHT] = one
            entry = starts[place]
            while entry < starts[place + 1]:
                if (entry - starts[place]) % CHECK_EVERY == 0:
                    brightest = -one
                    for p in range(np.uint64(PIXELS)):
                        brightest = max(brightest, scratch[p + LIGHT])
                    if brightest < zero:
                        break
                splat = splats[b, ranks[entry]]
                entry += 1
                x, y = splat[0] - number(left) - number(0.5), splat[1] - number(top) - number(0.5)
                a, k, c, opacity, r, g, bl = splat[2], splat[3], splat[4], splat[5], splat[6], splat[7], splat[8]
                first, last = _row_range(splat[1], splat[10], top)
                for p in range(np.uint64(first * TILE), np.uint64(last * TILE)):
                    dx, dy = scratch[p + X] - x, scratch[p + Y] - y
                    alpha = opacity * _exp_negative(dx * (a * dx + k * dy) + c * dy * dy)
                    alpha = strongest if alpha > strongest else alpha
                    alpha = alpha if alpha >= faintest else zero
                    before = scratch[p + LIGHT]
                    after = before * (one - alpha)
                    lit = after > last_light
                    weight = alpha * before if lit else zero
                    scratch[p + LIGHT] = after if lit else -abs(before)
                    scratch[p + RED] += weight * r
                    scratch[p + GREEN] += weight * g
                    scratch[p + BLUE] += weight * bl
            ends[place] = entry
            for row in range(rows):
                for column in range(columns):
                    p = np.uint64(row * TILE + column)
                    i, j = top + row, left + column
                    rest = abs(scratch[p + LIGHT])
                    transmittance[b, i, j] = rest
                    image[b, i, j, 0] = scratch[p + RED] + rest * background[b, i, j, 0]
                    image[b, i, j, 1] = scratch[p + GREEN] + rest * background[b, i, j, 1]
                    image[b, i, j, 2] = scratch[p + BLUE] + rest * background[b, i, j, 2]


@njit(parallel=True, cache=True, nogil=True, fastmath=FAST)
def _blend_backward(splats, starts, ends, ranks, slots, v_image, v_alpha, image, transmittance, pairs, workers):
    batch, height, width = transmittance.shape
    tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
    tiles = tiles_x * tiles_y
    number = splats.dtype.type
    one, zero = number(1), number(0)
    faintest, strongest, last_light = number(MIN_ALPHA), number(MAX_ALPHA), number(MIN_TRANSMITTANCE)
    for worker in prange(workers):
        scratch = _new_scratch(splats)
        for place in range(worker, batch * tiles, workers):
            b, tile = place // tiles, place % tiles
            left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
            scratch[:LIGHT] = zero
            scratch[LIGHT:X] = -one
            for row in range(min(TILE, height - top)):
                for column in range(min(TILE, width - left)):
                    p = np.uint64(row * TILE + column)
                    pixel, v_pixel = image[b, top + row, left + column], v_image[b, top + row, left + column]
                    v_light = v_alpha[b, top + row, left + column] * transmittance[b, top + row, left + column]
                    scratch[p + RED], scratch[p + GREEN], scratch[p + BLUE] = v_pixel[0], v_pixel[1], v_pixel[2]
                    scratch[p + LIGHT] = one
                    scratch[p + REST] = v_pixel[0] * pixel[0] + v_pixel[1] * pixel[1] + v_pixel[2] * pixel[2] - v_light
            for entry in range(starts[place], ends[place]):
                splat = splats[b, ranks[entry]]
                x, y = splat[0] - number(left) - number(0.5), splat[1] - number(top) - number(0.5)
                a, k, c, opacity, r, g, bl = splat[2], splat[3], splat[4], splat[5], splat[6], splat[7], splat[8]
                first, last = _row_range(splat[1], splat[10], top)
                s = sx = sy = sxx = sxy = syy = v_r = v_g = v_b = zero
                for p in range(np.uint64(first * TILE), np.uint64(last * TILE)):
                    dx, dy = scratch[p + X] - x, scratch[p + Y] - y
                    full = opacity * _exp_negative(dx * (a * dx + k * dy) + c * dy * dy)
                    alpha = strongest if full > strongest else full
                    alpha = alpha if alpha >= faintest else zero
                    before = scratch[p + LIGHT]
                    remaining = one - alpha
                    after = before * remaining
                    lit = after > last_light
                    weight = alpha * before if lit else zero
                    scratch[p + LIGHT] = after if lit else -abs(before)
                    shine = r * scratch[p + RED] + g * scratch[p + GREEN] + bl * scratch[p + BLUE]
                    left_over = scratch[p + REST] - weight * shine
                    scratch[p + REST] = left_over
                    v_r += weight * scratch[p + RED]
                    v_g += weight * scratch[p + GREEN]
                    v_b += weight * scratch[p + BLUE]
                    slope = weight * shine - alpha * left_over / remaining
                    slope = slope if lit and full <= strongest else zero
                    s += slope
                    along_x, along_y = slope * dx, slope * dy
                    sx += along_x
                    sy += along_y
                    sxx += along_x * dx
                    sxy += along_x * dy
                    syy += along_y * dy
                pair = pairs[slots[entry]]
                pair[0] = (a + a) * sx + k * sy
                pair[1] = (c + c) * sy + k * sx
                pair[2] = number(-0.5) * sxx
                pair[3] = -sxy
                pair[4] = number(-0.5) * syy
                pair[5] = s / opacity
                pair[6], pair[7], pair[8] = v_r, v_g, v_b
            for entry in range(ends[place], starts[place + 1]):
                pairs[slots[entry], :] = zero


@njit(parallel=True, cache=True, nogil=True)
def _sum_pairs(order, visible, slot_starts, pairs, v_means2d, v_conics, v_opacities, v_colors):
    batch, count = order.shape
    for task in prange(batch * count):
        b, rank = task // count, task % count
        if rank < visible[b]:
            n = order[b, rank]
            for slot in range(slot_starts[task], slot_starts[task + 1]):
                pair = pairs[slot]
                v_means2d[b, n, 0] += pair[0]
                v_means2d[b, n, 1] += pair[1]
                v_conics[b, n, 0] += pair[2]
                v_conics[b, n, 1] += pair[3]
                v_conics[b, n, 2] += pair[4]
                v_opacities[b, n, 0] += pair[5]
                v_colors[b, n, 0] += pair[6]
                v_colors[b, n, 1] += pair[7]
                v_colors[b, n, 2] += pair[8]
