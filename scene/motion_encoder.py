"""Expression codes as tokens that Gaussians attend to: one for the lips' gap, one for lips and jaw, one for the rest.

A token sees its codes in a few frames, hence their velocity too. What an expression code is says
``motion.expression_code``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from arguments.settings import ModelSettings
from scene.token_network import token_network

CLOSED = 0.08  # of the range of the gap: within it, lips come to touch
RANGE = (0.02, 0.95)  # quantiles of the gap that stand for closed and for wide open
TOKENS = 3


class MotionEncoder(nn.Module):
    """Codes [B, T, K] around each of B frames to three tokens each, [B, 3, C].

    Args:
        feature_shape: (K,): the gap, ``lower_codes`` of lips and jaw, and the others.
        settings: of the model.
    """

    closed: Tensor
    """The gap's code where lips are closed."""
    span: Tensor
    """From there to where they are wide open."""

    def __init__(self, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        super().__init__()
        (codes,), width = feature_shape, settings.feature_dim
        self.window, self.lower = settings.motion_window, settings.lower_codes
        self.noise = settings.motion_noise
        self.register_buffer("closed", torch.zeros(()))
        self.register_buffer("span", torch.ones(()))
        sizes = (self.window + 1, (self.lower + 1) * self.window, max(codes - 1 - self.lower, 1) * self.window)
        self.tokens = nn.ModuleList(token_network(size, width) for size in sizes)

    def set_statistics(self, signal: Float[Tensor, "N K"]) -> None:
        """Learn from the training clip's codes what closed and wide open are."""
        low, high = signal[:, 0].quantile(signal.new_tensor(RANGE))
        self.closed.copy_(low)
        self.span.copy_((high - low).clamp(min=1e-3))

    def forward(self, signal: Float[Tensor, "B T K"], frames: Int[Tensor, "B T"]) -> Float[Tensor, "B 3 C"]:
        """Encode the codes around each frame; the frames' numbers do not count."""
        if self.training and self.noise > 0:
            signal = signal + self.noise * torch.randn_like(signal)
        gap, lower, rest = signal[..., :1], signal[..., 1 : 1 + self.lower], signal[..., 1 + self.lower :]
        now = gap[:, self.window // 2]
        touching = torch.exp(-((now - self.closed) / self.span).clamp(min=0) / CLOSED)
        if rest.shape[-1] == 0:
            rest = torch.zeros_like(gap)
        parts = (torch.cat([gap.flatten(1), touching], 1), torch.cat([lower, gap], 2).flatten(1), rest.flatten(1))
        return torch.stack([token(part) for token, part in zip(self.tokens, parts, strict=True)], dim=1)
