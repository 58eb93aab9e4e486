"""Windows of audio features as the token that Gaussians attend to: the published way to drive a head.

As in AD-NeRF (Guo et al., ICCV 2021, section 3.2) and GaussianTalker (MM 2024): convolutions over a window of sound
give a vector a frame, attention over the vectors of neighbouring frames one that is smooth in time. The periodic
positional encoding is FaceFormer's (Fan et al., CVPR 2022, equation 3), over time: the sines and cosines of (the
absolute frame mod the period).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from arguments.settings import ModelSettings

SLOPE = 0.02  # of the leaky rectifiers


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
    """Audio features [B, T, D] (or [B, T, 16, 29] of DeepSpeech) around each of B frames to one token each, [B, 1, C].

    Of the T = 2 W - 1 frames every W that follow each other are one window: convolutions of stride 2 make a vector of
    each, and attention weighs the W vectors. Features are standardised by the training clip's mean and deviation,
    which are part of the model.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        super().__init__()
        width, self.window = settings.feature_dim, settings.audio_window
        features = math.prod(feature_shape)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.noise = settings.audio_noise
        halvings = max(1, math.ceil(math.log2(self.window)))
        layers: list[nn.Module] = []
        for inputs in (features, *[width] * (halvings - 1)):
            layers += [nn.Conv1d(inputs, width, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        self.listen = nn.Sequential(*layers)
        self.vector = nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(SLOPE), nn.Linear(width, width))
        scorer: list[nn.Module] = []
        for inputs, outputs in ((width, 16), (16, 8), (8, 4)):
            scorer += [nn.Conv1d(inputs, outputs, 3, padding=1), nn.LeakyReLU(SLOPE)]
        self.score = nn.Sequential(*scorer, nn.Conv1d(4, 1, 3, padding=1))
        self.place = nn.Parameter(torch.randn(self.window))
        self.ppe = PeriodicPositionalEncoding(width, settings.ppe_period) if settings.ppe else None

    def set_statistics(self, signal: Float[Tensor, "N *D"]) -> None:
        """Take the mean and deviation of the training clip's features."""
        flat = signal.flatten(1)
        self.mean.copy_(flat.mean(dim=0))
        self.deviation.copy_(flat.std(dim=0).clamp(min=1e-3))

    def forward(self, signal: Float[Tensor, "B T *D"], frames: Int[Tensor, "B T"]) -> Float[Tensor, "B 1 C"]:
        """Encode the features around each frame; ``frames`` are the absolute numbers of those frames."""
        flat = ((signal.flatten(2) - self.mean) / self.deviation).clamp(-5, 5)
        if self.training and self.noise > 0:
            flat = flat + self.noise * torch.randn_like(flat)
        windows = flat.unfold(1, self.window, 1)  # B W D window
        batch, count = windows.shape[:2]
        vectors = self.vector(self.listen(windows.flatten(0, 1))[..., 0]).unflatten(0, (batch, count))
        weights = (self.score(vectors.transpose(1, 2))[:, 0] + self.place).softmax(dim=-1)
        token = (vectors * weights[..., None]).sum(dim=1, keepdim=True)
        return token if self.ppe is None else token + 0.1 * self.ppe(frames[:, count - 1 : count])
