"""All that moves a frame's Gaussians, as the tokens that they attend to.

EGSTalker (arXiv 2510.08587), section 3.3: what drives the face, eyes, camera and a learnt null token are the keys and
values.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from arguments.settings import ModelSettings
from scene.audio_encoder import AudioEncoder
from scene.motion_encoder import MotionEncoder
from scene.token_network import token_network


class TokenEncoder(nn.Module):
    """All tokens of a frame: of the signal that drives the face, eye opening, camera, and the learnt null token.

    Each starts with an offset of its own, as large as what it carries: Gaussians tell tokens apart from the first
    step. Without it the lids find the one eye token among the others late or never.

    Args:
        feature_shape: of one frame's signal: (K,) expression codes; (D,) or (16, 29) audio features.
        settings: ``drive`` says which of the two; and the sizes.
    """

    def __init__(self, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        super().__init__()
        width = settings.feature_dim
        encoder = MotionEncoder if settings.drive == "motion" else AudioEncoder
        self.signal: MotionEncoder | AudioEncoder = encoder(feature_shape, settings)
        self.eye = token_network(1, width, gain=2.0)
        self.camera = token_network(6, width)
        self.null = nn.Parameter(torch.randn(width))

    def forward(
        self,
        signal: Float[Tensor, "B T *D"],
        frames: Int[Tensor, "B T"],
        eye: Float[Tensor, "B 1"],
        viewmats: Float[Tensor, "B 4 4"],
    ) -> Float[Tensor, "B S C"]:
        """Tokens of B frames: three of codes, or one of sound, and three more.

        Args:
            signal: of the T frames around each frame.
            frames: absolute numbers of those frames, 25 a second.
            eye: blink intensity, 0 (open) to 1.
            viewmats: world-to-camera, OpenCV.
        """
        extra = torch.stack([self.eye(eye), self.camera(pose_code(viewmats)), self.null.expand(len(eye), -1)], dim=1)
        return torch.cat([self.signal(signal, frames), extra], dim=1)


def pose_code(viewmats: Float[Tensor, "B 4 4"]) -> Float[Tensor, "B 6"]:
    """Where the camera stands, seen from the head: viewing direction and "up", each a unit vector of the head frame."""
    return torch.cat([viewmats[:, 2, :3], viewmats[:, 1, :3]], dim=-1)
