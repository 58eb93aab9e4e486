"""Small corrections of the tracked poses, learnt with the head.

They move the Gaussians (x -> R x + t) instead of the camera: the gradient comes with the renderer. Their mean over the
frames that are learnt is taken out at each step. Without that the head could drift, every training frame following it,
and the held-out frames, which have no corrections, would not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn

from scene.rigid_motion import RigidMotion


class PoseCorrections(nn.Module):
    """A rotation vector (radians) and a translation (decimetres) for each training frame.

    Args:
        num_frames: of the training part.
        learnt: those of them that are shown in training; all if None. The others' corrections are never asked for.
    """

    learnt: Tensor

    def __init__(self, num_frames: int, learnt: Sequence[int] | None = None) -> None:
        super().__init__()
        self.register_buffer("learnt", torch.tensor(range(num_frames) if learnt is None else learnt), persistent=False)
        self.values = nn.Parameter(torch.zeros(num_frames, 6))

    def forward(self, frames: Int[Tensor, "B"]) -> RigidMotion:
        """The corrections of some frames; the rotation vectors are small."""
        rotation, translation = self.values.index_select(0, frames).split(3, dim=-1)
        quaternion = torch.cat([torch.ones_like(rotation[:, :1]), rotation / 2], dim=-1)
        return RigidMotion.of(quaternion, translation)

    @torch.no_grad()
    def remove_drift(self) -> None:
        """Take the mean correction of the learnt frames out of every frame's."""
        self.values.sub_(self.values.index_select(0, self.learnt).mean(dim=0))
