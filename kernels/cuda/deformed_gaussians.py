"""A training batch's Gaussians on NVIDIA GPUs: one kernel each way, written in Triton.

Twin of ``training.deformed_gaussians``: of ``GaussianModel.activated``, ``RigidMotion.move`` and the view-dependent
part of ``view_colors``. As separate operations they go through memory some sixty times, and the gradient of the rigid
motion is a sum over all Gaussians that matrix libraries are slow at.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from kernels.columns import ATTRIBUTES, COLORS, LOG_SCALES, MEANS, OPACITIES, ROTATIONS, SCALES
from kernels.conventions import SH_C0, SH_C1

POINTS = 128  # Gaussians that a program handles
MOTION = 28  # numbers of a rigid motion: rotation 9, translation 3, quaternion product 16
LOWEST, HIGHEST = LOG_SCALES
HARMONICS = (0, 3)  # spherical harmonics above the constant one that the kernel knows: degree 0 or 1
MEAN, ROTATION, SCALE = tl.constexpr(MEANS.start), tl.constexpr(ROTATIONS.start), tl.constexpr(SCALES.start)
OPACITY, COLOR = tl.constexpr(OPACITIES), tl.constexpr(COLORS.start)


def deformed_gaussians(
    raw: Float[Tensor, "N 14"],
    higher: Float[Tensor, "N K 3"],
    decoded: Float[Tensor, "B M 14"] | None,
    scale: Float[Tensor, "M 14"] | None,
    moving: Int[Tensor, "M"],
    motion: Float[Tensor, "B 28"],
    positions: Float[Tensor, "B 3"],
    costs: tuple[float, float, float],
) -> tuple[Tensor, ...]:
    """Means [B, N, 3], quaternions, scales, opacities, constant colour terms [B, N, 1, 3], and the cost of the offsets.

    Args:
        raw: attributes at rest before activation.
        higher: coefficients of the spherical harmonics above the constant one.
        decoded, scale: their product is added to the Gaussians ``moving`` (ascending).
        motion: rotation matrix, translation and quaternion product of each frame, flat.
        positions: of the cameras.
        costs: of squared offsets of position, scale and opacity.

    Returns:
        NotImplemented for harmonics above degree 1.
    """
    if raw.dtype != torch.float32 or higher.shape[1] not in HARMONICS:
        return NotImplemented
    slots = None
    if decoded is not None and len(moving) < len(raw):
        places = torch.arange(len(moving), device=moving.device)
        slots = torch.full((len(raw),), -1, device=moving.device).index_copy(0, moving, places)
    return _DeformedGaussians.apply(raw, higher.flatten(1), decoded, scale, slots, motion, positions, costs)


class _DeformedGaussians(torch.autograd.Function):
    """Differentiable in everything but ``slots``, ``positions`` and ``costs``."""

    @staticmethod
    def forward(
        ctx,
        raw: Float[Tensor, "N 14"],
        higher: Float[Tensor, "N H"],
        offsets: Float[Tensor, "B M 14"] | None,
        scale: Float[Tensor, "M 14"] | None,
        slots: Int[Tensor, "N"] | None,
        motion: Float[Tensor, "B 28"],
        positions: Float[Tensor, "B 3"],
        costs: tuple[float, float, float],
    ) -> tuple[Tensor, ...]:
        """``higher``: coefficients of degree 1 (H = 9), or none. ``slots``: a Gaussian's row of ``offsets``, or -1;
        None if row n is Gaussian n's."""
        raw, higher, motion, positions = (x.contiguous() for x in (raw, higher, motion, positions))
        offsets, scale = (raw if x is None else x.contiguous() for x in (offsets, scale))
        batch, count = len(motion), len(raw)
        sizes = {
            "count": count,
            "moving": offsets.shape[1],
            "MOVES": offsets is not raw,
            "SLOTS": slots is not None,
            "DEGREE": 1 if higher.shape[1] else 0,
            **_CONSTANTS,
            **{f"COST_{name}": cost for name, cost in zip("MSO", (costs[0] / 3, costs[1] / 3, costs[2]), strict=True)},
        }
        widths = (3, 4, 3, 1, 3)
        means, quats, scales, opacities, colors = (raw.new_empty(batch, count, width) for width in widths)
        inputs = (raw, higher, offsets, scale, raw if slots is None else slots, motion, positions)
        parts = raw.new_empty(triton.cdiv(count, POINTS), batch)
        if count:
            grid = tuple(parts.shape)
            _forward[grid](*inputs, means, quats, scales, opacities, colors, parts, **sizes)
        ctx.save_for_backward(*inputs)
        ctx.sizes = sizes
        ctx.share = 1 / max(1, batch * sizes["moving"])
        cost = parts.sum() * ctx.share if sizes["MOVES"] else raw.new_zeros(())
        return means, quats, scales, opacities[..., 0], colors[..., None, :], cost

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        raw, higher, offsets, scale, _, motion, _ = inputs
        sizes = ctx.sizes
        batch, blocks = len(motion), triton.cdiv(len(raw), POINTS)
        gradients = (*(gradient.contiguous() for gradient in gradients[:-1]), gradients[-1] * ctx.share)
        to_raw, to_higher = torch.empty_like(raw), torch.empty_like(higher)
        to_offsets, to_scale = (torch.empty_like(x) if sizes["MOVES"] else None for x in (offsets, scale))
        parts = raw.new_empty(blocks, batch, MOTION)
        if blocks:
            of_offsets = (raw, raw) if to_offsets is None else (to_offsets, to_scale)
            _backward[(blocks,)](*inputs, *gradients, to_raw, to_higher, *of_offsets, parts, batch, **sizes)
        return to_raw, to_higher, to_offsets, to_scale, None, parts.sum(dim=0), None, None


_CONSTANTS = {"ROW": ATTRIBUTES, "OF_MOTION": MOTION, "POINTS": POINTS, "LOW": LOWEST, "HIGH": HIGHEST}
_CONSTANTS |= {"K0": SH_C0, "K1": SH_C1}


@triton.jit
def _offset(add_at, scale_at, adds, k: tl.constexpr):
    return tl.load(add_at + k, mask=adds, other=0.0) * tl.load(scale_at + k, mask=adds, other=0.0)


@triton.jit
def _attribute(row_at, add_at, scale_at, inside, adds, k: tl.constexpr):
    return tl.load(row_at + k, mask=inside, other=0.0) + _offset(add_at, scale_at, adds, k)


@triton.jit
def _added(slots_at, n, b, inside, moving, MOVES: tl.constexpr, SLOTS: tl.constexpr, ROW: tl.constexpr):
    """Which offsets are added to Gaussians, where a frame's begin, and whether there are any."""
    slot = n
    if SLOTS:
        slot = tl.load(slots_at + n, mask=inside, other=-1)
    adds = inside & (slot >= 0)
    if not MOVES:
        adds = inside & (n < 0)
    slot = tl.where(adds, slot, 0) * ROW
    return slot, b * moving * ROW + slot, adds


@triton.jit
def _direction(positions_at, b, mx, my, mz):
    """From the camera to points: the unit vector, and one over the distance."""
    dx = mx - tl.load(positions_at + b * 3)
    dy = my - tl.load(positions_at + b * 3 + 1)
    dz = mz - tl.load(positions_at + b * 3 + 2)
    inverse = 1.0 / tl.maximum(tl.sqrt(dx * dx + dy * dy + dz * dz), 1e-12)
    return dx * inverse, dy * inverse, dz * inverse, inverse


@triton.jit
def _forward(
    raw_at, higher_at, offsets_at, scale_at, slots_at, motion_at, positions_at,
    means_at, quats_at, scales_at, opacities_at, colors_at, costs_at,
    count, moving,
    MOVES: tl.constexpr, SLOTS: tl.constexpr, DEGREE: tl.constexpr,
    ROW: tl.constexpr, OF_MOTION: tl.constexpr, POINTS: tl.constexpr,
    LOW: tl.constexpr, HIGH: tl.constexpr, K0: tl.constexpr, K1: tl.constexpr,
    COST_M: tl.constexpr, COST_S: tl.constexpr, COST_O: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(0).to(tl.int64) * POINTS + tl.arange(0, POINTS)
    b = tl.program_id(1)
    inside = n < count
    slot, begin, adds = _added(slots_at, n, b, inside, moving, MOVES, SLOTS, ROW)
    row, add, much = raw_at + n * ROW, offsets_at + begin, scale_at + slot
    out, turn = b * count + n, motion_at + b * OF_MOTION
    if MOVES:
        cost = tl.zeros((POINTS,), tl.float32)
        for r in tl.static_range(3):
            mean, scale = _offset(add, much, adds, MEAN + r), _offset(add, much, adds, SCALE + r)
            cost += COST_M * mean * mean + COST_S * scale * scale
        opacity = _offset(add, much, adds, OPACITY)
        cost += COST_O * opacity * opacity
        tl.store(costs_at + tl.program_id(0) * tl.num_programs(1) + b, tl.sum(cost))
    x = _attribute(row, add, much, inside, adds, MEAN)
    y = _attribute(row, add, much, inside, adds, MEAN + 1)
    z = _attribute(row, add, much, inside, adds, MEAN + 2)
    mx = tl.load(turn) * x + tl.load(turn + 1) * y + tl.load(turn + 2) * z + tl.load(turn + 9)
    my = tl.load(turn + 3) * x + tl.load(turn + 4) * y + tl.load(turn + 5) * z + tl.load(turn + 10)
    mz = tl.load(turn + 6) * x + tl.load(turn + 7) * y + tl.load(turn + 8) * z + tl.load(turn + 11)
    tl.store(means_at + out * 3, mx, mask=inside)
    tl.store(means_at + out * 3 + 1, my, mask=inside)
    tl.store(means_at + out * 3 + 2, mz, mask=inside)
    a = _attribute(row, add, much, inside, adds, ROTATION)
    i = _attribute(row, add, much, inside, adds, ROTATION + 1)
    j = _attribute(row, add, much, inside, adds, ROTATION + 2)
    k = _attribute(row, add, much, inside, adds, ROTATION + 3)
    inverse = 1.0 / tl.maximum(tl.sqrt(a * a + i * i + j * j + k * k), 1e-12)
    for r in tl.static_range(4):
        left = turn + 12 + 4 * r
        turned = tl.load(left) * a + tl.load(left + 1) * i + tl.load(left + 2) * j + tl.load(left + 3) * k
        tl.store(quats_at + out * 4 + r, turned * inverse, mask=inside)
    for r in tl.static_range(3):
        scale = _attribute(row, add, much, inside, adds, SCALE + r)
        tl.store(scales_at + out * 3 + r, tl.exp(tl.minimum(tl.maximum(scale, LOW), HIGH)), mask=inside)
    logit = _attribute(row, add, much, inside, adds, OPACITY)
    tl.store(opacities_at + out, 1.0 / (1.0 + tl.exp(-logit)), mask=inside)
    if DEGREE:
        ux, uy, uz, _ = _direction(positions_at, b, mx, my, mz)
    for r in tl.static_range(3):
        color = _attribute(row, add, much, inside, adds, COLOR + r)
        if DEGREE:
            first = tl.load(higher_at + n * 9 + r, mask=inside, other=0.0)
            second = tl.load(higher_at + n * 9 + 3 + r, mask=inside, other=0.0)
            third = tl.load(higher_at + n * 9 + 6 + r, mask=inside, other=0.0)
            color += (K1 / K0) * (uz * second - uy * first - ux * third)
        tl.store(colors_at + out * 3 + r, color, mask=inside)


@triton.jit
def _backward(
    raw_at, higher_at, offsets_at, scale_at, slots_at, motion_at, positions_at,
    v_means_at, v_quats_at, v_scales_at, v_opacities_at, v_colors_at, v_cost_at,
    to_raw_at, to_higher_at, to_offsets_at, to_scale_at, parts_at,
    batch, count, moving,
    MOVES: tl.constexpr, SLOTS: tl.constexpr, DEGREE: tl.constexpr,
    ROW: tl.constexpr, OF_MOTION: tl.constexpr, POINTS: tl.constexpr,
    LOW: tl.constexpr, HIGH: tl.constexpr, K0: tl.constexpr, K1: tl.constexpr,
    COST_M: tl.constexpr, COST_S: tl.constexpr, COST_O: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(0).to(tl.int64) * POINTS + tl.arange(0, POINTS)
    inside = n < count
    zero = tl.zeros((POINTS,), tl.float32)
    rx, ry, rz, ra, ri, rj, rk = zero, zero, zero, zero, zero, zero, zero
    s0, s1, s2, ro, c0, c1, c2 = zero, zero, zero, zero, zero, zero, zero
    h0, h1, h2, h3, h4, h5, h6, h7, h8 = zero, zero, zero, zero, zero, zero, zero, zero, zero
    p0, p1, p2, p3, p4, p5, p6 = zero, zero, zero, zero, zero, zero, zero
    p7, p8, p9, pa, pb, pc, pd = zero, zero, zero, zero, zero, zero, zero
    for b in range(batch):
        slot, begin, adds = _added(slots_at, n, b, inside, moving, MOVES, SLOTS, ROW)
        row, add, much = raw_at + n * ROW, offsets_at + begin, scale_at + slot
        out, turn = b * count + n, motion_at + b * OF_MOTION
        part = parts_at + (tl.program_id(0) * batch + b) * OF_MOTION
        # colours
        g0 = tl.load(v_colors_at + out * 3, mask=inside, other=0.0)
        g1 = tl.load(v_colors_at + out * 3 + 1, mask=inside, other=0.0)
        g2 = tl.load(v_colors_at + out * 3 + 2, mask=inside, other=0.0)
        c0 += g0
        c1 += g1
        c2 += g2
        # positions
        gx = tl.load(v_means_at + out * 3, mask=inside, other=0.0)
        gy = tl.load(v_means_at + out * 3 + 1, mask=inside, other=0.0)
        gz = tl.load(v_means_at + out * 3 + 2, mask=inside, other=0.0)
        x = _attribute(row, add, much, inside, adds, MEAN)
        y = _attribute(row, add, much, inside, adds, MEAN + 1)
        z = _attribute(row, add, much, inside, adds, MEAN + 2)
        m0, m1, m2 = tl.load(turn), tl.load(turn + 1), tl.load(turn + 2)
        m3, m4, m5 = tl.load(turn + 3), tl.load(turn + 4), tl.load(turn + 5)
        m6, m7, m8 = tl.load(turn + 6), tl.load(turn + 7), tl.load(turn + 8)
        if DEGREE:
            mx = m0 * x + m1 * y + m2 * z + tl.load(turn + 9)
            my = m3 * x + m4 * y + m5 * z + tl.load(turn + 10)
            mz = m6 * x + m7 * y + m8 * z + tl.load(turn + 11)
            ux, uy, uz, inverse = _direction(positions_at, b, mx, my, mz)
            k0, k1, k2 = (K1 / K0) * g0, (K1 / K0) * g1, (K1 / K0) * g2
            h0 -= uy * k0
            h1 -= uy * k1
            h2 -= uy * k2
            h3 += uz * k0
            h4 += uz * k1
            h5 += uz * k2
            h6 -= ux * k0
            h7 -= ux * k1
            h8 -= ux * k2
            higher = higher_at + n * 9
            vy = -(
                tl.load(higher, mask=inside, other=0.0) * k0
                + tl.load(higher + 1, mask=inside, other=0.0) * k1
                + tl.load(higher + 2, mask=inside, other=0.0) * k2
            )
            vz = (
                tl.load(higher + 3, mask=inside, other=0.0) * k0
                + tl.load(higher + 4, mask=inside, other=0.0) * k1
                + tl.load(higher + 5, mask=inside, other=0.0) * k2
            )
            vx = -(
                tl.load(higher + 6, mask=inside, other=0.0) * k0
                + tl.load(higher + 7, mask=inside, other=0.0) * k1
                + tl.load(higher + 8, mask=inside, other=0.0) * k2
            )
            along = ux * vx + uy * vy + uz * vz
            gx += (vx - ux * along) * inverse
            gy += (vy - uy * along) * inverse
            gz += (vz - uz * along) * inverse
        tl.store(part, tl.sum(gx * x))
        tl.store(part + 1, tl.sum(gx * y))
        tl.store(part + 2, tl.sum(gx * z))
        tl.store(part + 3, tl.sum(gy * x))
        tl.store(part + 4, tl.sum(gy * y))
        tl.store(part + 5, tl.sum(gy * z))
        tl.store(part + 6, tl.sum(gz * x))
        tl.store(part + 7, tl.sum(gz * y))
        tl.store(part + 8, tl.sum(gz * z))
        tl.store(part + 9, tl.sum(gx))
        tl.store(part + 10, tl.sum(gy))
        tl.store(part + 11, tl.sum(gz))
        vx = m0 * gx + m3 * gy + m6 * gz
        vy = m1 * gx + m4 * gy + m7 * gz
        vz = m2 * gx + m5 * gy + m8 * gz
        rx += vx
        ry += vy
        rz += vz
        # rotations
        a = _attribute(row, add, much, inside, adds, ROTATION)
        i = _attribute(row, add, much, inside, adds, ROTATION + 1)
        j = _attribute(row, add, much, inside, adds, ROTATION + 2)
        k = _attribute(row, add, much, inside, adds, ROTATION + 3)
        shrink = 1.0 / tl.maximum(tl.sqrt(a * a + i * i + j * j + k * k), 1e-12)
        a, i, j, k = a * shrink, i * shrink, j * shrink, k * shrink
        va, vi, vj, vk = zero, zero, zero, zero
        for r in tl.static_range(4):
            left = turn + 12 + 4 * r
            g = tl.load(v_quats_at + out * 4 + r, mask=inside, other=0.0)
            tl.store(part + 12 + 4 * r, tl.sum(g * a))
            tl.store(part + 13 + 4 * r, tl.sum(g * i))
            tl.store(part + 14 + 4 * r, tl.sum(g * j))
            tl.store(part + 15 + 4 * r, tl.sum(g * k))
            va += tl.load(left) * g
            vi += tl.load(left + 1) * g
            vj += tl.load(left + 2) * g
            vk += tl.load(left + 3) * g
        along = va * a + vi * i + vj * j + vk * k
        va, vi = (va - a * along) * shrink, (vi - i * along) * shrink
        vj, vk = (vj - j * along) * shrink, (vk - k * along) * shrink
        ra += va
        ri += vi
        rj += vj
        rk += vk
        # scales and opacity
        l0 = _attribute(row, add, much, inside, adds, SCALE)
        l1 = _attribute(row, add, much, inside, adds, SCALE + 1)
        l2 = _attribute(row, add, much, inside, adds, SCALE + 2)
        t0 = tl.load(v_scales_at + out * 3, mask=inside, other=0.0) * tl.exp(l0)
        t1 = tl.load(v_scales_at + out * 3 + 1, mask=inside, other=0.0) * tl.exp(l1)
        t2 = tl.load(v_scales_at + out * 3 + 2, mask=inside, other=0.0) * tl.exp(l2)
        t0 = tl.where((l0 >= LOW) & (l0 <= HIGH), t0, 0.0)
        t1 = tl.where((l1 >= LOW) & (l1 <= HIGH), t1, 0.0)
        t2 = tl.where((l2 >= LOW) & (l2 <= HIGH), t2, 0.0)
        s0 += t0
        s1 += t1
        s2 += t2
        opacity = 1.0 / (1.0 + tl.exp(-_attribute(row, add, much, inside, adds, OPACITY)))
        to = tl.load(v_opacities_at + out, mask=inside, other=0.0) * opacity * (1.0 - opacity)
        ro += to
        if MOVES:
            more = 2.0 * tl.load(v_cost_at)
            vx += more * COST_M * _offset(add, much, adds, MEAN)
            vy += more * COST_M * _offset(add, much, adds, MEAN + 1)
            vz += more * COST_M * _offset(add, much, adds, MEAN + 2)
            t0 += more * COST_S * _offset(add, much, adds, SCALE)
            t1 += more * COST_S * _offset(add, much, adds, SCALE + 1)
            t2 += more * COST_S * _offset(add, much, adds, SCALE + 2)
            to += more * COST_O * _offset(add, much, adds, OPACITY)
            here = to_offsets_at + begin
            p0 += _decoded(here, add, much, adds, vx, MEAN)
            p1 += _decoded(here, add, much, adds, vy, MEAN + 1)
            p2 += _decoded(here, add, much, adds, vz, MEAN + 2)
            p3 += _decoded(here, add, much, adds, va, ROTATION)
            p4 += _decoded(here, add, much, adds, vi, ROTATION + 1)
            p5 += _decoded(here, add, much, adds, vj, ROTATION + 2)
            p6 += _decoded(here, add, much, adds, vk, ROTATION + 3)
            p7 += _decoded(here, add, much, adds, t0, SCALE)
            p8 += _decoded(here, add, much, adds, t1, SCALE + 1)
            p9 += _decoded(here, add, much, adds, t2, SCALE + 2)
            pa += _decoded(here, add, much, adds, to, OPACITY)
            pb += _decoded(here, add, much, adds, g0, COLOR)
            pc += _decoded(here, add, much, adds, g1, COLOR + 1)
            pd += _decoded(here, add, much, adds, g2, COLOR + 2)
    _store_row(to_raw_at + n * ROW, inside, rx, ry, rz, ra, ri, rj, rk, s0, s1, s2, ro, c0, c1, c2)
    if MOVES:
        slot, _, adds = _added(slots_at, n, 0, inside, moving, MOVES, SLOTS, ROW)
        _store_row(to_scale_at + slot, adds, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, pa, pb, pc, pd)
    if DEGREE:
        higher = to_higher_at + n * 9
        tl.store(higher, h0, mask=inside)
        tl.store(higher + 1, h1, mask=inside)
        tl.store(higher + 2, h2, mask=inside)
        tl.store(higher + 3, h3, mask=inside)
        tl.store(higher + 4, h4, mask=inside)
        tl.store(higher + 5, h5, mask=inside)
        tl.store(higher + 6, h6, mask=inside)
        tl.store(higher + 7, h7, mask=inside)
        tl.store(higher + 8, h8, mask=inside)


@triton.jit
def _decoded(to_at, add_at, scale_at, adds, gradient, k: tl.constexpr):
    """Store the gradient by what was decoded; return that by its scale."""
    tl.store(to_at + k, gradient * tl.load(scale_at + k, mask=adds, other=0.0), mask=adds)
    return gradient * tl.load(add_at + k, mask=adds, other=0.0)


@triton.jit
def _store_row(at, where, a, b, c, d, e, f, g, h, i, j, k, x, y, z):
    tl.store(at, a, mask=where)
    tl.store(at + 1, b, mask=where)
    tl.store(at + 2, c, mask=where)
    tl.store(at + 3, d, mask=where)
    tl.store(at + 4, e, mask=where)
    tl.store(at + 5, f, mask=where)
    tl.store(at + 6, g, mask=where)
    tl.store(at + 7, h, mask=where)
    tl.store(at + 8, i, mask=where)
    tl.store(at + 9, j, mask=where)
    tl.store(at + 10, k, mask=where)
    tl.store(at + 11, x, mask=where)
    tl.store(at + 12, y, mask=where)
    tl.store(at + 13, z, mask=where)
