"""3D Gaussians to 2D ones on the CPU: EWA projection (Zwicker et al. 2001), its gradient written out by hand.

Every Gaussian of every view is independent, so both directions are one parallel loop. With W the camera's rotation,
J the Jacobian of the perspective division at the centre, R and S the Gaussian's rotation and scales, the projected
covariance is P P^T plus the low-pass, P = J W R S (2x3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from kernels.conventions import LOW_PASS, MIN_ALPHA, NEAR
from kernels.cpu.threads import kernels


class Projection(NamedTuple):
    """A batch of N Gaussians on the images of B views."""

    means2d: Float[Tensor, "B N 2"]  # centres, pixels
    conics: Float[Tensor, "B N 3"]  # the inverse covariance's entries xx, xy, yy, 1/pixels^2
    depths: Float[Tensor, "B N"]  # along the camera's axis, world units
    radii: Float[Tensor, "B N"]  # half of the largest axis of what is drawn, pixels; 0 = culled
    boxes: Float[Tensor, "B N 2"]  # half width and height of what is drawn, pixels


PINHOLE = 22  # numbers of a camera: rotation 9, translation 3, fx, fy, cx, cy, width, height, limits of x/z and of y/z


def project(
    means: Float[Tensor, "B N 3"],
    quats: Float[Tensor, "B N 4"],
    scales: Float[Tensor, "B N 3"],
    opacities: Float[Tensor, "B N"],
    pinholes: Float[Tensor, "B 22"],
) -> Projection:
    """Project a batch; differentiable in means, quats and scales (not in the camera: move the points instead).

    Args:
        means, quats, scales, opacities: of the Gaussians, contiguous or not, float32 or float64.
        pinholes: of the cameras, one each, in the same type.

    Returns:
        The projection. Culled are Gaussians behind the near plane, off the image, too faint to mark a pixel, or not
        finite.
    """
    return Projection(*_Project.apply(means, quats, scales, opacities, pinholes))


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx, means, quats, scales, opacities, pinholes):
        means, quats, scales = means.contiguous(), quats.contiguous(), scales.contiguous()
        batch, count = means.shape[:2]
        means2d, conics, boxes = (means.new_empty(batch, count, size) for size in (2, 3, 2))
        depths, radii = means.new_empty(batch, count), means.new_empty(batch, count)
        with kernels():
            _project_forward(
                means.numpy(),
                quats.numpy(),
                scales.numpy(),
                opacities.contiguous().numpy(),
                pinholes.numpy(),
                means2d.numpy(),
                conics.numpy(),
                depths.numpy(),
                radii.numpy(),
                boxes.numpy(),
            )
        ctx.save_for_backward(means, quats, scales, pinholes, conics, radii)
        ctx.mark_non_differentiable(depths, radii, boxes)
        return means2d, conics, depths, radii, boxes

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, v_means2d, v_conics, _v_depths, _v_radii, _v_boxes):
        means, quats, scales, pinholes, conics, radii = ctx.saved_tensors
        v_means, v_quats, v_scales = torch.empty_like(means), torch.empty_like(quats), torch.empty_like(scales)
        with kernels():
            _project_backward(
                means.numpy(),
                quats.numpy(),
                scales.numpy(),
                pinholes.numpy(),
                conics.numpy(),
                radii.numpy(),
                v_means2d.contiguous().numpy(),
                v_conics.contiguous().numpy(),
                v_means.numpy(),
                v_quats.numpy(),
                v_scales.numpy(),
            )
        return v_means, v_quats, v_scales, None, None


@njit(inline="always")
def _rotation(w, x, y, z, one):
    """The rotation matrix of a unit quaternion, row by row."""
    two = one + one
    return (
        one - two * (y * y + z * z),
        two * (x * y - w * z),
        two * (x * z + w * y),
        two * (x * y + w * z),
        one - two * (x * x + z * z),
        two * (y * z - w * x),
        two * (x * z - w * y),
        two * (y * z + w * x),
        one - two * (x * x + y * y),
    )


@njit(inline="always")
def _turned_axes(view, r, sx, sy, sz):
    """W R S, row by row."""
    a00 = (view[0] * r[0] + view[1] * r[3] + view[2] * r[6]) * sx
    a01 = (view[0] * r[1] + view[1] * r[4] + view[2] * r[7]) * sy
    a02 = (view[0] * r[2] + view[1] * r[5] + view[2] * r[8]) * sz
    a10 = (view[3] * r[0] + view[4] * r[3] + view[5] * r[6]) * sx
    a11 = (view[3] * r[1] + view[4] * r[4] + view[5] * r[7]) * sy
    a12 = (view[3] * r[2] + view[4] * r[5] + view[5] * r[8]) * sz
    a20 = (view[6] * r[0] + view[7] * r[3] + view[8] * r[6]) * sx
    a21 = (view[6] * r[1] + view[7] * r[4] + view[8] * r[7]) * sy
    a22 = (view[6] * r[2] + view[7] * r[5] + view[8] * r[8]) * sz
    return a00, a01, a02, a10, a11, a12, a20, a21, a22


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _project_forward(means, quats, scales, opacities, pinholes, means2d, conics, depths, radii, boxes):
    batch, count = radii.shape
    one = radii.dtype.type(1)
    half = radii.dtype.type(0.5)
    near = radii.dtype.type(NEAR)
    low_pass = radii.dtype.type(LOW_PASS)
    faintest = radii.dtype.type(MIN_ALPHA)
    for index in prange(batch * count):
        b, n = index // count, index % count
        view = pinholes[b]
        mx, my, mz = means[b, n, 0], means[b, n, 1], means[b, n, 2]
        x = view[0] * mx + view[1] * my + view[2] * mz + view[9]
        y = view[3] * mx + view[4] * my + view[5] * mz + view[10]
        z = view[6] * mx + view[7] * my + view[8] * mz + view[11]
        fx, fy = view[12], view[13]
        inverse = one / z
        u = fx * x * inverse + view[14]
        v = fy * y * inverse + view[15]
        xz = min(max(x * inverse, view[18]), view[19])
        yz = min(max(y * inverse, view[20]), view[21])

        qw, qx, qy, qz = quats[b, n, 0], quats[b, n, 1], quats[b, n, 2], quats[b, n, 3]
        shorten = one / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        r = _rotation(qw * shorten, qx * shorten, qy * shorten, qz * shorten, one)
        a = _turned_axes(view, r, scales[b, n, 0], scales[b, n, 1], scales[b, n, 2])
        jx, jy = fx * inverse, fy * inverse
        p00, p01, p02 = jx * (a[0] - xz * a[6]), jx * (a[1] - xz * a[7]), jx * (a[2] - xz * a[8])
        p10, p11, p12 = jy * (a[3] - yz * a[6]), jy * (a[4] - yz * a[7]), jy * (a[5] - yz * a[8])
        xx = p00 * p00 + p01 * p01 + p02 * p02 + low_pass
        xy = p00 * p10 + p01 * p11 + p02 * p12
        yy = p10 * p10 + p11 * p11 + p12 * p12 + low_pass
        # |P P^T| as the squared cross product of P's rows: the difference xx yy - xy^2 is lost in rounding for needles.
        n0, n1, n2 = p01 * p12 - p02 * p11, p02 * p10 - p00 * p12, p00 * p11 - p01 * p10
        determinant = n0 * n0 + n1 * n1 + n2 * n2 + low_pass * (xx + yy - low_pass)

        opacity = opacities[b, n]
        radius = box_x = box_y = one - one
        finite = math.isfinite(u + v + z + xx + xy + yy + opacity + one / determinant)
        if finite and z >= near and opacity > faintest and determinant > radius:
            extent = math.sqrt((one + one) * math.log(opacity / faintest))
            box_x, box_y = extent * math.sqrt(xx), extent * math.sqrt(yy)
            if u + box_x > radius and u - box_x < view[16] and v + box_y > radius and v - box_y < view[17]:
                middle = half * (xx + yy)
                difference = half * (xx - yy)
                radius = extent * math.sqrt(middle + math.sqrt(difference * difference + xy * xy))
        means2d[b, n, 0], means2d[b, n, 1] = u, v
        conics[b, n, 0], conics[b, n, 1], conics[b, n, 2] = yy / determinant, -xy / determinant, xx / determinant
        boxes[b, n, 0], boxes[b, n, 1] = box_x, box_y
        depths[b, n] = z
        radii[b, n] = radius


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _project_backward(means, quats, scales, pinholes, conics, radii, v_means2d, v_conics, v_means, v_quats, v_scales):
    batch, count = radii.shape
    zero = radii.dtype.type(0)
    half = radii.dtype.type(0.5)
    one = radii.dtype.type(1)
    two = radii.dtype.type(2)
    for index in prange(batch * count):
        b, n = index // count, index % count
        if radii[b, n] <= zero:
            v_means[b, n, :] = zero
            v_quats[b, n, :] = zero
            v_scales[b, n, :] = zero
            continue
        view = pinholes[b]
        mx, my, mz = means[b, n, 0], means[b, n, 1], means[b, n, 2]
        x = view[0] * mx + view[1] * my + view[2] * mz + view[9]
        y = view[3] * mx + view[4] * my + view[5] * mz + view[10]
        z = view[6] * mx + view[7] * my + view[8] * mz + view[11]
        inverse = one / z
        xz, yz = min(max(x * inverse, view[18]), view[19]), min(max(y * inverse, view[20]), view[21])
        qw, qx, qy, qz = quats[b, n, 0], quats[b, n, 1], quats[b, n, 2], quats[b, n, 3]
        shorten = one / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        qw, qx, qy, qz = qw * shorten, qx * shorten, qy * shorten, qz * shorten
        r = _rotation(qw, qx, qy, qz, one)
        sx, sy, sz = scales[b, n, 0], scales[b, n, 1], scales[b, n, 2]
        a = _turned_axes(view, r, sx, sy, sz)
        jx, jy = view[12] * inverse, view[13] * inverse
        p00, p01, p02 = jx * (a[0] - xz * a[6]), jx * (a[1] - xz * a[7]), jx * (a[2] - xz * a[8])
        p10, p11, p12 = jy * (a[3] - yz * a[6]), jy * (a[4] - yz * a[7]), jy * (a[5] - yz * a[8])

        # dL/dcov = -K G K with K the conic and G its gradient as a symmetric matrix; dL/dP is twice that times P.
        ka, kb, kc = conics[b, n, 0], conics[b, n, 1], conics[b, n, 2]
        ga, gb, gc = v_conics[b, n, 0], half * v_conics[b, n, 1], v_conics[b, n, 2]
        t00, t01 = ka * ga + kb * gb, ka * gb + kb * gc
        t10, t11 = kb * ga + kc * gb, kb * gb + kc * gc
        xx = -two * (t00 * ka + t01 * kb)
        xy = -two * (t00 * kb + t01 * kc)
        yy = -two * (t10 * kb + t11 * kc)
        g00, g01, g02 = xx * p00 + xy * p10, xx * p01 + xy * p11, xx * p02 + xy * p12
        g10, g11, g12 = xy * p00 + yy * p10, xy * p01 + yy * p11, xy * p02 + yy * p12

        # P = J A with J = [[jx, 0, -jx xz], [0, jy, -jy yz]] and A = W R S.
        v_jx = g00 * (a[0] - xz * a[6]) + g01 * (a[1] - xz * a[7]) + g02 * (a[2] - xz * a[8])
        v_jy = g10 * (a[3] - yz * a[6]) + g11 * (a[4] - yz * a[7]) + g12 * (a[5] - yz * a[8])
        v_xz = -jx * (g00 * a[6] + g01 * a[7] + g02 * a[8])
        v_yz = -jy * (g10 * a[6] + g11 * a[7] + g12 * a[8])
        h00, h01, h02 = jx * g00, jx * g01, jx * g02
        h10, h11, h12 = jy * g10, jy * g11, jy * g12
        h20, h21, h22 = -xz * h00 - yz * h10, -xz * h01 - yz * h11, -xz * h02 - yz * h12

        # The centre: u = jx x + cx, xz = x / z unless it is held at the frustum's margin.
        v_u, v_v = v_means2d[b, n, 0], v_means2d[b, n, 1]
        v_x, v_y = v_u * jx, v_v * jy
        v_z = -inverse * (jx * (v_jx + v_u * x) + jy * (v_jy + v_v * y))
        if xz == x * inverse:
            v_x += v_xz * inverse
            v_z -= v_xz * xz * inverse
        if yz == y * inverse:
            v_y += v_yz * inverse
            v_z -= v_yz * yz * inverse
        v_means[b, n, 0] = view[0] * v_x + view[3] * v_y + view[6] * v_z
        v_means[b, n, 1] = view[1] * v_x + view[4] * v_y + view[7] * v_z
        v_means[b, n, 2] = view[2] * v_x + view[5] * v_y + view[8] * v_z

        # Back through W, then R S: columns are scaled by the scales.
        m00, m01, m02 = (
            view[0] * h00 + view[3] * h10 + view[6] * h20,
            view[0] * h01 + view[3] * h11 + view[6] * h21,
            view[0] * h02 + view[3] * h12 + view[6] * h22,
        )
        m10, m11, m12 = (
            view[1] * h00 + view[4] * h10 + view[7] * h20,
            view[1] * h01 + view[4] * h11 + view[7] * h21,
            view[1] * h02 + view[4] * h12 + view[7] * h22,
        )
        m20, m21, m22 = (
            view[2] * h00 + view[5] * h10 + view[8] * h20,
            view[2] * h01 + view[5] * h11 + view[8] * h21,
            view[2] * h02 + view[5] * h12 + view[8] * h22,
        )
        v_scales[b, n, 0] = m00 * r[0] + m10 * r[3] + m20 * r[6]
        v_scales[b, n, 1] = m01 * r[1] + m11 * r[4] + m21 * r[7]
        v_scales[b, n, 2] = m02 * r[2] + m12 * r[5] + m22 * r[8]
        m00, m10, m20 = m00 * sx, m10 * sx, m20 * sx
        m01, m11, m21 = m01 * sy, m11 * sy, m21 * sy
        m02, m12, m22 = m02 * sz, m12 * sz, m22 * sz
        v_w = two * (qx * (m21 - m12) + qy * (m02 - m20) + qz * (m10 - m01))
        v_qx = two * (qw * (m21 - m12) + qy * (m01 + m10) + qz * (m02 + m20) - two * qx * (m11 + m22))
        v_qy = two * (qw * (m02 - m20) + qx * (m01 + m10) + qz * (m12 + m21) - two * qy * (m00 + m22))
        v_qz = two * (qw * (m10 - m01) + qx * (m02 + m20) + qy * (m12 + m21) - two * qz * (m00 + m11))
        along = qw * v_w + qx * v_qx + qy * v_qy + qz * v_qz
        v_quats[b, n, 0] = (v_w - qw * along) * shorten
        v_quats[b, n, 1] = (v_qx - qx * along) * shorten
        v_quats[b, n, 2] = (v_qy - qy * along) * shorten
        v_quats[b, n, 3] = (v_qz - qz * along) * shorten
