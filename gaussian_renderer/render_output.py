"""What a render returns."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class RenderOutput:
    """A batch of B pictures of N Gaussians."""

    image: Float[Tensor, "B H W 3"]  # composited over the background; not clamped above 1
    alpha: Float[Tensor, "B H W 1"]  # coverage, 0..1
    means2d: Float[Tensor, "B N 2"]  # projected centres, pixels; its retained gradient drives densification
    radii: Float[Tensor, "B N"]  # half of the largest axis of what is drawn, pixels; 0 = culled
