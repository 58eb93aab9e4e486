"""Small corrections of the tracked poses, learnt with the head.

They move the Gaussians (x -> R x + t) instead of the camera: the gradient comes with the renderer. Their mean over the
training frames is taken out at each step. Without that the head could drift, every training frame following it, and the
held-out frames, which have no corrections, would not.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor, nn

from scene.rigid_motion import RigidMotion


class PoseCorrections(nn.Module):
    """A rotation vector (radians) and a translation (decimetres) for each training frame."""

    def __init__(self, num_frames: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(num_frames, 6))

    def forward(self, frames: Int[Tensor, "B"]) -> RigidMotion:
        """The corrections of some frames; the rotation vectors are small."""
        rotation, translation = self.values.index_select(0, frames).split(3, dim=-1)
        quaternion = torch.cat([torch.ones_like(rotation[:, :1]), rotation / 2], dim=-1)
        return RigidMotion.of(quaternion, translation)

    @torch.no_grad()
    def remove_drift(self) -> None:
        """Take the mean correction out of every frame's."""
        self.values.sub_(self.values.mean(dim=0))
