"""The attributes of a Gaussian before activation, packed as :mod:`kernels.columns` says."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from kernels.columns import COLORS, MEANS, OPACITIES, ROTATIONS, SCALES


@dataclass(frozen=True)
class Attributes:
    """Of N Gaussians at rest, or what a frame adds to each of them."""

    packed: Float[Tensor, "*B N 14"]

    @property
    def means(self) -> Float[Tensor, "*B N 3"]:
        """Decimetres."""
        return self.packed[..., MEANS]

    @property
    def rotations(self) -> Float[Tensor, "*B N 4"]:
        """Quaternions of any length, scalar first."""
        return self.packed[..., ROTATIONS]

    @property
    def scales(self) -> Float[Tensor, "*B N 3"]:
        """Logarithms of the standard deviations."""
        return self.packed[..., SCALES]

    @property
    def opacities(self) -> Float[Tensor, "*B N"]:
        """Logits."""
        return self.packed[..., OPACITIES]

    @property
    def colors(self) -> Float[Tensor, "*B N 3"]:
        """Constant terms of the spherical harmonics."""
        return self.packed[..., COLORS]


@dataclass(frozen=True)
class Offsets:
    """What a frame adds to M Gaussians: what was decoded, times how much of it counts."""

    decoded: Float[Tensor, "B M 14"]
    scale: Float[Tensor, "M 14"]
    """The decoder's units, times the gates."""

    @property
    def attributes(self) -> Attributes:
        """The product."""
        return Attributes(self.decoded * self.scale)
