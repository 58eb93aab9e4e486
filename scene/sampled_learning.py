"""The gradient of a network that all Gaussians share, estimated from a random sample of them.

The sum of their gradients is that of the sample, scaled up: unbiased, and noisier the smaller the sample is, at a part
of the cost. All Gaussians are still moved, drawn and compared with the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor


def from_some(
    decode: Callable[[Int[Tensor, "L"] | slice], Float[Tensor, "*B N D"]], sampled: Int[Tensor, "L"] | None
) -> Float[Tensor, "*B N D"]:
    """``decode(all)`` whose gradient is that of ``decode(sampled)``, scaled to all.

    Args:
        decode: takes rows of the N Gaussians and returns [*B, rows, D].
        sampled: the L rows to differentiate; None for all.

    Returns:
        What ``decode`` makes of all N.
    """
    everything = slice(None)
    if sampled is None:
        return decode(everything)
    with torch.no_grad():
        decoded = decode(everything)
    differentiable = decode(sampled)
    share = len(sampled) / decoded.shape[-2]
    return decoded.index_copy(-2, sampled, differentiable.detach() + (differentiable - differentiable.detach()) / share)
