"""Turning and shifting whole heads, and the quaternions' products that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from scene.gaussians import Gaussians


@dataclass(frozen=True)
class RigidMotion:
    """x -> R x + t, one for each frame."""

    rotation: Float[Tensor, "B 3 3"]
    translation: Float[Tensor, "B 3"]  # decimetres
    left: Float[Tensor, "B 4 4"]
    """What a Gaussian's quaternion is multiplied by to be turned by R."""

    @classmethod
    def of(cls, quaternion: Float[Tensor, "B 4"], translation: Float[Tensor, "B 3"]) -> RigidMotion:
        """``quaternion``: scalar first, of any length but zero."""
        quaternion = functional.normalize(quaternion, dim=-1)
        return cls(rotation_matrix(quaternion), translation, left_product(quaternion))

    def move(self, gaussians: Gaussians) -> Gaussians:
        """The Gaussians of each frame, moved; an unbatched head becomes a batch."""
        batch = gaussians.broadcast(len(self.translation))
        means = torch.baddbmm(self.translation[:, None], batch.means, self.rotation.transpose(-1, -2))
        return replace(batch, means=means, quats=batch.quats @ self.left.transpose(-1, -2))


def rotation_matrix(quaternion: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 3 3"]:
    """Rotation matrices of unit quaternions, scalar first: p -> q p q*, the middle of a product from both sides."""
    both = left_product(quaternion) @ _matrices(quaternion, _RIGHT).transpose(-1, -2)
    return both[..., 1:, 1:]


def left_product(quaternion: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 4 4"]:
    """Matrices whose product with a quaternion, scalar first, is Hamilton's: that rotation followed by these."""
    return _matrices(quaternion, _LEFT)


# Entry (row, column) of the matrix is component |k| - 1 of the quaternion with the sign of k.
_LEFT = ((1, -2, -3, -4), (2, 1, -4, 3), (3, 4, 1, -2), (4, -3, 2, 1))
_RIGHT = ((1, -2, -3, -4), (2, 1, 4, -3), (3, -4, 1, 2), (4, 3, -2, 1))


def _matrices(quaternion: Float[Tensor, "*B 4"], places: tuple[tuple[int, ...], ...]) -> Float[Tensor, "*B 4 4"]:
    """Without a table on the device: a recorded graph of kernels must not wait for a copy from the host."""
    with_negatives = torch.stack([quaternion, -quaternion], dim=-1).unbind(-2)
    rows = [torch.stack([with_negatives[abs(k) - 1][..., int(k < 0)] for k in row], dim=-1) for row in places]
    return torch.stack(rows, dim=-2)
