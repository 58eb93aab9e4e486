"""The small network that makes a token of a few numbers."""

from __future__ import annotations

import torch
from torch import nn


def token_network(inputs: int, width: int, gain: float = 1.0) -> nn.Sequential:
    """From some numbers to a token that has an offset of its own, as large as what it carries.

    Args:
        inputs: how many numbers.
        width: of the token.
        gain: makes it more sensitive to them.
    """
    first, last = nn.Linear(inputs, width), nn.Linear(width, width)
    with torch.no_grad():
        first.weight.mul_(gain)
        last.weight.mul_(gain)
        nn.init.normal_(last.bias)
    return nn.Sequential(first, nn.GELU(), last)
