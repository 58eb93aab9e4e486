"""The stretch of audio that one video frame sees."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def audio_windows(
    features: Float[Tensor, "N *D"], indices: Int[Tensor, "B"], window: int
) -> tuple[Float[Tensor, "B T *D"], Int[Tensor, "B T"]]:
    """Features of the ``window`` frames around each frame, and those frames' numbers.

    The window of frame i is i - T//2 .. i + T - T//2 - 1. Beyond the ends the first or last features are repeated;
    frame numbers go on (they may be negative), for the positional encoding.
    """
    steps = torch.arange(window, device=indices.device) - window // 2
    frames = indices[:, None] + steps
    return features[frames.clamp(0, len(features) - 1)], frames
