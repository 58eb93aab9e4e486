"""Which Gaussians touch which tile, nearest first.

Each view's visible Gaussians are radix-sorted by depth and packed in that order ("splats"); then one counting sort
over tiles gives lists in CSR form whose entries are already in depth order. A tile is listed only if the ellipse where
a Gaussian is strong enough to count reaches one of its pixel centres.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from kernels.conventions import MIN_ALPHA
from kernels.cpu.projection import Projection

TILE = 16  # pixels, both ways
SPLAT = 12  # numbers per splat: x, y, a/2, b, c/2, opacity, red, green, blue, box half width, half height, threshold


class TileLists(NamedTuple):
    """Views in depth order and, per tile, who touches it. E is the number of (tile, Gaussian) pairs of the batch."""

    splats: np.ndarray  # [B, N, SPLAT], row r of a view is its r-th nearest visible Gaussian
    order: np.ndarray  # [B, N] int32, which Gaussian that is
    visible: np.ndarray  # [B] int32, how many rows of a view are filled
    starts: np.ndarray  # [B * tiles + 1] int64, a tile's entries, tiles row by row
    ranks: np.ndarray  # [E] int32, the entry's row among the splats of its view
    slots: np.ndarray  # [E] int32, the entry's place when pairs are listed Gaussian by Gaussian
    slot_starts: np.ndarray  # [B * N + 1] int64, a splat's slots


class DepthOrder(NamedTuple):
    """The visible Gaussians of each view, nearest first."""

    order: np.ndarray  # [B, N] int32
    visible: np.ndarray  # [B] int32, how many entries of a view are filled


def depth_order(seen: Projection, colors: Float[Tensor, "B N 3"]) -> DepthOrder:
    """Sort each view's Gaussians by depth; those of radius 0 and those whose colour is not finite are left out."""
    depths, radii, rgb = (tensor.detach().contiguous().numpy() for tensor in (seen.depths, seen.radii, colors))
    keys = depths.view(np.uint32 if depths.dtype == np.float32 else np.uint64)
    order = DepthOrder(np.empty(radii.shape, np.int32), np.empty(len(radii), np.int32))
    _sort_by_depth(keys, radii, rgb, *order)
    return order


def tile_lists(
    seen: Projection,
    opacities: Float[Tensor, "B N"],
    colors: Float[Tensor, "B N 3"],
    nearest: DepthOrder,
    width: int,
    height: int,
    threads: int,
) -> TileLists:
    """Bin a batch of projected and sorted Gaussians for pictures of ``width`` x ``height`` pixels; no gradient passes.

    All tensors have one float type.
    """
    tensors = (seen.means2d, seen.conics, opacities, colors, seen.boxes)
    means2d, conics, opaque, rgb, boxes = (tensor.detach().contiguous().numpy() for tensor in tensors)
    batch, count = opaque.shape
    order, visible = nearest
    tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
    splats = np.empty((batch, count, SPLAT), opaque.dtype)
    touched = np.zeros((batch, count), np.int32)
    chunks = max(1, -(-threads // batch)) if count else 1
    cursors = np.zeros((batch, chunks, tiles_x * tiles_y), np.int64)
    _pack_and_count(means2d, conics, opaque, rgb, boxes, order, visible, tiles_x, tiles_y, splats, touched, cursors)

    starts = np.empty(batch * tiles_x * tiles_y + 1, np.int64)
    slot_starts = np.empty(batch * count + 1, np.int64)
    _prefix_sums(touched, cursors, starts, slot_starts)
    ranks = np.empty(starts[-1], np.int32)
    slots = np.empty(starts[-1], np.int32)
    _fill(splats, visible, tiles_x, tiles_y, cursors, slot_starts, ranks, slots)
    return TileLists(splats, order, visible, starts, ranks, slots, slot_starts)


@njit(parallel=True, cache=True, nogil=True)
def _sort_by_depth(keys, radii, colors, order, visible):
    """Radix sort, 11 bits a pass: the bits of positive floats are in the numbers' order."""
    batch, count = radii.shape
    passes = 3 if keys.itemsize == 4 else 6
    for b in prange(batch):
        here = np.empty(count, np.int32)
        there = np.empty(count, np.int32)
        kept = 0
        for n in range(count):
            if radii[b, n] > 0 and math.isfinite(colors[b, n, 0] + colors[b, n, 1] + colors[b, n, 2]):
                here[kept] = n
                kept += 1
        histogram = np.empty(2048, np.int32)
        for digit in range(passes):
            shift = np.uint64(11 * digit)
            histogram[:] = 0
            for k in range(kept):
                histogram[np.intp((np.uint64(keys[b, here[k]]) >> shift) & np.uint64(2047))] += 1
            place = 0
            for value in range(2048):
                size = int(histogram[value])
                histogram[value] = place
                place += size
            for k in range(kept):
                bucket = np.intp((np.uint64(keys[b, here[k]]) >> shift) & np.uint64(2047))
                there[histogram[bucket]] = here[k]
                histogram[bucket] += 1
            here, there = there, here
        order[b, :kept] = here[:kept]
        visible[b] = kept


@njit(inline="always")
def _tile_range(centre, reach, tiles):
    """First and one past the last tile whose pixel centres may lie within ``reach`` of ``centre``."""
    first = min(max((centre - reach) / TILE, 0), tiles)  # clamped before the conversion, which would overflow
    last = min(max((centre + reach) / TILE, -1), tiles - 1)
    return math.floor(first), math.floor(last) + 1


@njit(inline="always")
def _touches(splat, left, top, side):
    """Whether the smallest distance over a tile's pixel centres' rectangle is within the splat's threshold.

    The quadratic form is convex: its minimum over the rectangle is at the nearest x with the best y there, or the
    other way round (and 0 at the centre if that is inside).
    """
    x, y, a, b, c, threshold = splat[0], splat[1], splat[2], splat[3], splat[4], splat[11]
    right, bottom = left + side, top + side
    dx = min(max(x, left), right) - x
    dy = min(max(y - b * dx / (c + c), top), bottom) - y
    if a * dx * dx + b * dx * dy + c * dy * dy <= threshold:
        return True
    dy = min(max(y, top), bottom) - y
    dx = min(max(x - b * dy / (a + a), left), right) - x
    return a * dx * dx + b * dx * dy + c * dy * dy <= threshold


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _pack_and_count(
    means2d, conics, opacities, colors, boxes, order, visible, tiles_x, tiles_y, splats, touched, cursors
):
    batch, chunks = cursors.shape[0], cursors.shape[1]
    number = splats.dtype.type
    half, side = number(0.5), number(TILE - 1)
    for task in prange(batch * chunks):
        b, chunk = task // chunks, task % chunks
        for rank in range(visible[b] * chunk // chunks, visible[b] * (chunk + 1) // chunks):
            n = order[b, rank]
            splat = splats[b, rank]
            x, y, opacity = means2d[b, n, 0], means2d[b, n, 1], opacities[b, n]
            a, k, c = conics[b, n, 0], conics[b, n, 1], conics[b, n, 2]
            threshold = math.log(opacity / number(MIN_ALPHA))
            box_x, box_y = boxes[b, n, 0], boxes[b, n, 1]
            splat[0], splat[1], splat[2], splat[3], splat[4], splat[5] = x, y, half * a, k, half * c, opacity
            splat[6], splat[7], splat[8] = colors[b, n, 0], colors[b, n, 1], colors[b, n, 2]
            splat[9], splat[10], splat[11] = box_x, box_y, threshold
            first_x, last_x = _tile_range(x, box_x, tiles_x)
            first_y, last_y = _tile_range(y, box_y, tiles_y)
            hits = 0
            for ty in range(first_y, last_y):
                for tx in range(first_x, last_x):
                    if _touches(splat, number(tx * TILE) + half, number(ty * TILE) + half, side):
                        cursors[b, chunk, ty * tiles_x + tx] += 1
                        hits += 1
            touched[b, rank] = hits


@njit(cache=True, nogil=True)
def _prefix_sums(touched, cursors, starts, slot_starts):
    """Turn counts into first places: of a tile's entries, of each chunk within them, and of a splat's slots."""
    batch, chunks, tiles = cursors.shape
    entry = 0
    for b in range(batch):
        for tile in range(tiles):
            starts[b * tiles + tile] = entry
            for chunk in range(chunks):
                size = cursors[b, chunk, tile]
                cursors[b, chunk, tile] = entry
                entry += size
    starts[batch * tiles] = entry
    slot = 0
    for b in range(batch):
        for rank in range(touched.shape[1]):
            slot_starts[b * touched.shape[1] + rank] = slot
            slot += touched[b, rank]
    slot_starts[touched.size] = slot


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _fill(splats, visible, tiles_x, tiles_y, cursors, slot_starts, ranks, slots):
    batch, chunks = cursors.shape[0], cursors.shape[1]
    count = splats.shape[1]
    number = splats.dtype.type
    half, side = number(0.5), number(TILE - 1)
    for task in prange(batch * chunks):
        b, chunk = task // chunks, task % chunks
        for rank in range(visible[b] * chunk // chunks, visible[b] * (chunk + 1) // chunks):
            splat = splats[b, rank]
            slot = slot_starts[b * count + rank]
            first_x, last_x = _tile_range(splat[0], splat[9], tiles_x)
            first_y, last_y = _tile_range(splat[1], splat[10], tiles_y)
            for ty in range(first_y, last_y):
                for tx in range(first_x, last_x):
                    if _touches(splat, number(tx * TILE) + half, number(ty * TILE) + half, side):
                        place = cursors[b, chunk, ty * tiles_x + tx]
                        cursors[b, chunk, ty * tiles_x + tx] += 1
                        ranks[place] = rank
                        slots[place] = slot
                        slot += 1
