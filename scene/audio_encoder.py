"""Audio windows, eyes and camera as tokens that Gaussians attend to.

EGSTalker (arXiv 2510.08587), section 3.3: audio, eye, camera and a learnt null token are the keys and values. The
periodic positional encoding is FaceFormer's (Fan et al., CVPR 2022, equation 3), over time: token t of a window carries
the sines and cosines of (its absolute frame mod the period).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from arguments.settings import ModelSettings


class PeriodicPositionalEncoding(nn.Module):
    """Sines and cosines of the absolute video frame, repeating with a period."""

    frequencies: Tensor

    def __init__(self, dim: int, period: int) -> None:
        super().__init__()
        self.period = period
        rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
        self.register_buffer("frequencies", rates, persistent=False)

    def forward(self, frames: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Encoding of frame numbers, in -1..1."""
        phase = torch.remainder(frames, self.period).to(self.frequencies.dtype)[..., None] * self.frequencies
        return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(-2)


class AudioEncoder(nn.Module):
    """Windows of audio features [B, T, D] (or [B, T, 16, 29] of DeepSpeech) to tokens [B, T, C].

    Features are standardised by the training clip's mean and deviation, which are part of the model.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        super().__init__()
        width, window = settings.feature_dim, settings.audio_window
        features = math.prod(feature_shape)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.noise = settings.audio_noise
        self.input = nn.Linear(features, width)
        self.mix = nn.Sequential(
            nn.Dropout(settings.audio_dropout),
            nn.Conv1d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Dropout(settings.audio_dropout),
            nn.Conv1d(width, width, 3, padding=1),
        )
        self.place = nn.Parameter(torch.randn(window, width))
        self.ppe = PeriodicPositionalEncoding(width, settings.ppe_period) if settings.ppe else None

    def set_statistics(self, features: Float[Tensor, "N *D"]) -> None:
        """Take the mean and deviation of the training clip's features."""
        flat = features.flatten(1)
        self.mean.copy_(flat.mean(dim=0))
        self.deviation.copy_(flat.std(dim=0).clamp(min=1e-3))

    def forward(self, window: Float[Tensor, "B T *D"], frames: Int[Tensor, "B T"]) -> Float[Tensor, "B T C"]:
        """Encode the features around each frame; ``frames`` are the absolute numbers of the window's frames."""
        flat = ((window.flatten(2) - self.mean) / self.deviation).clamp(-5, 5)
        if self.training and self.noise > 0:
            flat = flat + self.noise * torch.randn_like(flat)
        tokens = self.input(flat)
        tokens = tokens + self.mix(tokens.transpose(1, 2)).transpose(1, 2) + self.place
        return tokens if self.ppe is None else tokens + 0.1 * self.ppe(frames)


class TokenEncoder(nn.Module):
    """All tokens of a frame: audio window, eye opening, camera, and the learnt null token.

    Each starts with an offset of its own, as large as what it carries: Gaussians tell tokens apart from the first
    step. Without it the lids find the one eye token among the audio's late or never.
    """

    def __init__(self, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        super().__init__()
        width = settings.feature_dim
        self.audio = AudioEncoder(feature_shape, settings)
        self.eye = _token_of(1, width, gain=2.0)
        self.camera = _token_of(6, width)
        self.null = nn.Parameter(torch.randn(width))

    def forward(
        self,
        audio: Float[Tensor, "B T *D"],
        frames: Int[Tensor, "B T"],
        eye: Float[Tensor, "B 1"],
        viewmats: Float[Tensor, "B 4 4"],
    ) -> Float[Tensor, "B T+3 C"]:
        """Tokens of B frames.

        Args:
            audio: features of the T frames around each frame.
            frames: absolute numbers of those frames, 25 a second.
            eye: blink intensity, 0 (open) to 1.
            viewmats: world-to-camera, OpenCV.
        """
        extra = torch.stack([self.eye(eye), self.camera(pose_code(viewmats)), self.null.expand(len(eye), -1)], dim=1)
        return torch.cat([self.audio(audio, frames), extra], dim=1)


def _token_of(inputs: int, width: int, gain: float = 1.0) -> nn.Sequential:
    """A small network from a few numbers to a token; ``gain`` makes it more sensitive to them."""
    first, last = nn.Linear(inputs, width), nn.Linear(width, width)
    with torch.no_grad():
        first.weight.mul_(gain)
        last.weight.mul_(gain)
        nn.init.normal_(last.bias)
    return nn.Sequential(first, nn.GELU(), last)


def pose_code(viewmats: Float[Tensor, "B 4 4"]) -> Float[Tensor, "B 6"]:
    """Where the camera stands, seen from the head: viewing direction and "up", each a unit vector of the head frame."""
    return torch.cat([viewmats[:, 2, :3], viewmats[:, 1, :3]], dim=-1)
