"""What every rasterizer agrees on: the picture's definition, and what a render returns.

The constants are those of 3D Gaussian Splatting (Kerbl et al. 2023) in gsplat's "classic" mode. The compiled kernels
are cached with these values in them: whoever changes one clears ``__pycache__``.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

NEAR = 0.01  # Gaussians nearer than this to the camera's plane are left out, world units
LOW_PASS = 0.3  # added to the variance of a projected Gaussian along both axes, pixels^2
FRUSTUM_MARGIN = 0.15  # the projection is linearised at most this share of the image outside of it
MIN_ALPHA = 1 / 255  # fainter contributions to a pixel are skipped
MAX_ALPHA = 0.999  # one Gaussian never hides all that is behind it
MIN_TRANSMITTANCE = 1e-4  # a pixel is finished before a Gaussian would take it below this


@dataclass(frozen=True)
class RenderOutput:
    """A batch of B pictures of N Gaussians."""

    image: Float[Tensor, "B H W 3"]  # composited over the background; not clamped above 1
    alpha: Float[Tensor, "B H W 1"]  # coverage, 0..1
    means2d: Float[Tensor, "B N 2"]  # projected centres, pixels; its retained gradient drives densification
    radii: Float[Tensor, "B N"]  # half of the largest axis of what is drawn, pixels; 0 = culled
