"""View-dependent colour: real spherical harmonics of degree 0 to 3, as 3D Gaussian Splatting stores them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from kernels.conventions import SH_C0, SH_C1
from scene.gaussians import Gaussians


def rgb_to_constant(rgb: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N 3"]:
    """Constant coefficients whose colour is ``rgb`` (0..1) from everywhere."""
    return (rgb - 0.5) / SH_C0


def basis(directions: Float[Tensor, "*N 3"], degree: int) -> Float[Tensor, "*N K"]:
    """The K = (degree + 1)^2 real spherical harmonics of unit ``directions``, with the Condon-Shortley phase.

    Order: degree by degree, within one from order -l to l. The polynomials are those of Sloan, "Efficient Spherical
    Harmonic Evaluation" (JCGT 2013).

    Raises:
        ValueError: if ``degree`` is not 0..3.
    """
    if degree not in (0, 1, 2, 3):
        raise ValueError(f"spherical harmonics of degree {degree} are not supported; use 0, 1, 2 or 3")
    x, y, z = directions.unbind(-1)
    terms = [torch.full_like(x, SH_C0)]
    if degree >= 1:
        terms += [-SH_C1 * y, SH_C1 * z, -SH_C1 * x]
    if degree >= 2:
        c2 = math.sqrt(15 / (4 * math.pi))
        c20 = math.sqrt(5 / (16 * math.pi))
        terms += [c2 * x * y, -c2 * y * z, c20 * (3 * z * z - 1), -c2 * x * z, 0.5 * c2 * (x * x - y * y)]
    if degree >= 3:
        c33 = math.sqrt(35 / (32 * math.pi))
        c32 = math.sqrt(105 / (4 * math.pi))
        c31 = math.sqrt(21 / (32 * math.pi))
        c30 = math.sqrt(7 / (16 * math.pi))
        terms += [
            -c33 * y * (3 * x * x - y * y),
            c32 * x * y * z,
            -c31 * y * (5 * z * z - 1),
            c30 * z * (5 * z * z - 3),
            -c31 * x * (5 * z * z - 1),
            0.5 * c32 * z * (x * x - y * y),
            -c33 * x * (x * x - 3 * y * y),
        ]
    return torch.stack(terms, dim=-1)


def view_colors(gaussians: Gaussians, positions: Float[Tensor, "B 3"]) -> Float[Tensor, "B N 3"]:
    """RGB of every Gaussian seen from B camera ``positions``: 0.5 + sum of basis times coefficients, clamped at 0.

    A constant colour (K = 1) is the same from everywhere; unbatched it is computed once and shared by the batch.

    Raises:
        ValueError: if K is not 1, 4, 9 or 16.
    """
    colors = gaussians.colors
    count, terms = colors.shape[-3], colors.shape[-2]
    degree = math.isqrt(terms) - 1
    if (degree + 1) ** 2 != terms:
        raise ValueError(f"{terms} colour coefficients are no whole number of degrees; use 1, 4, 9 or 16")
    if degree == 0:
        rgb = torch.clamp_min(colors[..., 0, :] * SH_C0 + 0.5, 0)
    else:
        directions = torch.nn.functional.normalize(gaussians.means - positions[:, None], dim=-1)
        rgb = torch.clamp_min((basis(directions, degree)[..., None] * colors).sum(-2) + 0.5, 0)
    return rgb.expand(len(positions), count, 3)
