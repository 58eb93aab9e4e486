"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def psnr(image: Float[Tensor, "*B H W C"], truth: Float[Tensor, "..."]) -> Float[Tensor, "*B"]:
    """PSNR of each picture in decibels, ``10 log10(1 / MSE)`` for values in 0..1; infinity for equal pictures.

    The mean squared error runs over pixels and channels; ``image`` is clamped to 0..1 first, as a screen would show it.

    Raises:
        ValueError: the shapes differ or there are no pixels.
    """
    if image.shape != truth.shape or image[..., 0].numel() == 0:
        raise ValueError(f"psnr needs two equal, non-empty shapes, not {tuple(image.shape)} and {tuple(truth.shape)}")
    error = (image.clamp(0, 1) - truth).square().flatten(-3).mean(-1)
    return -10 * torch.log10(error)
