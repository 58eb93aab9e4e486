"""The stretch of what drives a face that one video frame sees."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def signal_windows(
    signal: Float[Tensor, "N *D"], indices: Int[Tensor, "B"], window: int
) -> tuple[Float[Tensor, "B T *D"], Int[Tensor, "B T"]]:
    """The rows of ``window`` frames around each frame, and those frames' numbers.

    The window of frame i is i - T//2 .. i + T - T//2 - 1. Beyond the ends the first or last row is repeated; frame
    numbers go on (they may be negative), for the positional encoding.
    """
    steps = torch.arange(window, device=indices.device) - window // 2
    frames = indices[:, None] + steps
    return signal[frames.clamp(0, len(signal) - 1)], frames
