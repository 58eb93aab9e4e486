"""A network that is one for all Gaussians learns from a random part of them in each iteration.

The sum of their gradients is guessed from the part, scaled up: unbiased, and as noisy as the part is small, at a part
of the cost. All Gaussians are still moved, drawn and compared with the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor


def from_some(
    decode: Callable[[Int[Tensor, "S"] | slice], Float[Tensor, "*B N D"]], sampled: Int[Tensor, "S"] | None
) -> Float[Tensor, "*B N D"]:
    """``decode(all)`` whose gradient is that of ``decode(sampled)``, scaled to all; None: of all.

    ``decode`` takes which Gaussians to decode; their dimension is the last but one.
    """
    everything = slice(None)
    if sampled is None:
        return decode(everything)
    with torch.no_grad():
        decoded = decode(everything)
    learnt = decode(sampled)
    share = len(sampled) / decoded.shape[-2]
    return decoded.index_copy(-2, sampled, learnt.detach() + (learnt - learnt.detach()) / share)
