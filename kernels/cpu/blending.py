"""Blending tiles front to back, and its gradient, compiled by numba.

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
from typing import NamedTuple

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from kernels.conventions import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE
from kernels.cpu.binning import TILE, TileLists

PIXELS = TILE * TILE
CHECK_EVERY = 16  # Gaussians between two looks at whether a tile is finished
FAST = {"reassoc", "contract", "nsz", "arcp"}  # not nnan, ninf: gradients from outside may be anything


class Blended(NamedTuple):
    """Pictures, and what their gradient needs."""

    image: np.ndarray  # [B, H, W, 3]
    transmittance: np.ndarray  # [B, H, W], the background's share
    ends: np.ndarray  # [B * tiles] int64, one past the last entry that a tile looked at


class SplatGradients(NamedTuple):
    """The loss's gradient in what was binned, in the Gaussians' own order."""

    means2d: np.ndarray  # [B, N, 2]
    conics: np.ndarray  # [B, N, 3]
    opacities: np.ndarray  # [B, N]
    colors: np.ndarray  # [B, N, 3]


def blend(lists: TileLists, background: np.ndarray, threads: int) -> Blended:
    """Blend every tile's Gaussians over ``background`` [B, H, W, 3]."""
    transmittance = np.empty(background.shape[:3], background.dtype)
    blended = Blended(np.empty_like(background), transmittance, np.empty(len(lists.starts) - 1, np.int64))
    _blend_forward(lists.splats, lists.starts, lists.ranks, background, *blended, threads)
    return blended


def blend_gradients(
    lists: TileLists, blended: Blended, v_image: np.ndarray, v_alpha: np.ndarray, threads: int
) -> SplatGradients:
    """Gradients from those of the picture [B, H, W, 3] and of the coverage [B, H, W], which is 1 - transmittance."""
    pairs = np.empty((len(lists.ranks), 9), lists.splats.dtype)
    image, transmittance, ends = blended
    _blend_backward(
        lists.splats,
        lists.starts,
        ends,
        lists.ranks,
        lists.slots,
        v_image,
        v_alpha,
        image,
        transmittance,
        pairs,
        threads,
    )
    batch, count = lists.order.shape
    gradients = SplatGradients(*(np.zeros((batch, count, *size), pairs.dtype) for size in ((2,), (3,), (), (3,))))
    _sum_pairs(lists.order, lists.visible, lists.slot_starts, pairs, *gradients)
    return gradients


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
                    at = np.uint64(row * TILE + column)
                    i, j = top + row, left + column
                    rest = abs(scratch[at + LIGHT])
                    transmittance[b, i, j] = rest
                    image[b, i, j, 0] = scratch[at + RED] + rest * background[b, i, j, 0]
                    image[b, i, j, 1] = scratch[at + GREEN] + rest * background[b, i, j, 1]
                    image[b, i, j, 2] = scratch[at + BLUE] + rest * background[b, i, j, 2]


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
                    at = np.uint64(row * TILE + column)
                    pixel, v_pixel = image[b, top + row, left + column], v_image[b, top + row, left + column]
                    v_light = v_alpha[b, top + row, left + column] * transmittance[b, top + row, left + column]
                    scratch[at + RED], scratch[at + GREEN], scratch[at + BLUE] = v_pixel[0], v_pixel[1], v_pixel[2]
                    scratch[at + LIGHT] = one
                    scratch[at + REST] = v_pixel[0] * pixel[0] + v_pixel[1] * pixel[1] + v_pixel[2] * pixel[2] - v_light
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
                v_opacities[b, n] += pair[5]
                v_colors[b, n, 0] += pair[6]
                v_colors[b, n, 1] += pair[7]
                v_colors[b, n, 2] += pair[8]
