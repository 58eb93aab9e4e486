"""Small corrections of the tracked poses, learnt with the head.

They move the Gaussians (x -> R x + t) instead of the camera: the gradient comes with the renderer. Their mean over the
training frames is taken out at each step. Without that the head could drift, every training frame following it, and the
held-out frames, which have no corrections, would not.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from scene.gaussians import Gaussians


class PoseCorrections(nn.Module):
    """A rotation vector (radians) and a translation (decimetres) for each training frame."""

    def __init__(self, num_frames: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(num_frames, 6))

    def forward(self, gaussians: Gaussians, frames: Int[Tensor, "B"]) -> Gaussians:
        """The Gaussians of each frame, moved by its correction; an unbatched head becomes a batch."""
        rotation, translation = self.values.index_select(0, frames).split(3, dim=-1)
        quaternion = functional.normalize(torch.cat([torch.ones_like(rotation[:, :1]), rotation / 2], dim=-1), dim=-1)
        batch = gaussians.broadcast(len(frames))
        means = torch.baddbmm(translation[:, None], batch.means, rotation_matrix(quaternion).transpose(-1, -2))
        quats = batch.quats @ left_product(quaternion).transpose(-1, -2)
        return replace(batch, means=means, quats=quats)

    @torch.no_grad()
    def remove_drift(self) -> None:
        """Take the mean correction out of every frame's."""
        self.values.sub_(self.values.mean(dim=0))


def rotation_matrix(quaternion: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 3 3"]:
    """Rotation matrices of unit quaternions, scalar first: q p q* as a matrix."""
    both = left_product(quaternion) @ _products(quaternion, _RIGHT).transpose(-1, -2)
    return both[..., 1:, 1:]


def left_product(quaternion: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 4 4"]:
    """Matrices whose product with a quaternion, scalar first, is Hamilton's: that rotation followed by these."""
    return _products(quaternion, _LEFT)


def _products(quaternion: Float[Tensor, "*B 4"], table: Tensor) -> Float[Tensor, "*B 4 4"]:
    """Few operations on purpose: each is a kernel launch."""
    flat = table.to(device=quaternion.device, dtype=quaternion.dtype)
    return (quaternion @ flat).unflatten(-1, (4, 4))


def _table(signed_places: list[list[int]]) -> Tensor:
    """Place k (counted from 1, with its sign) of a quaternion at each entry of a 4 x 4 matrix, as a [4, 16] matrix."""
    table = torch.zeros(4, 4, 4)
    for row, places in enumerate(signed_places):
        for column, place in enumerate(places):
            table[abs(place) - 1, row, column] = 1 if place > 0 else -1
    return table.flatten(1)


_LEFT = _table([[1, -2, -3, -4], [2, 1, -4, 3], [3, 4, 1, -2], [4, -3, 2, 1]])
_RIGHT = _table([[1, -2, -3, -4], [2, 1, 4, -3], [3, -4, 1, 2], [4, 3, -2, 1]])
