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
        rotation, translation = self.values[frames].split(3, dim=-1)
        quaternion = functional.normalize(torch.cat([torch.ones_like(rotation[:, :1]), rotation / 2], dim=-1), dim=-1)
        batch = gaussians.broadcast(len(frames))
        means = batch.means @ rotation_matrix(quaternion).transpose(-1, -2) + translation[:, None]
        return replace(gaussians, means=means, quats=quaternion_product(quaternion[:, None], batch.quats))

    @torch.no_grad()
    def remove_drift(self) -> None:
        """Take the mean correction out of every frame's."""
        self.values.sub_(self.values.mean(dim=0))


def rotation_matrix(quaternion: Float[Tensor, "B 4"]) -> Float[Tensor, "B 3 3"]:
    """Rotation matrices of unit quaternions, scalar first."""
    w, x, y, z = quaternion.unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def quaternion_product(a: Float[Tensor, "*B 4"], b: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 4"]:
    """Hamilton product, scalar first: the rotation ``b`` followed by ``a``."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=-1,
    )
