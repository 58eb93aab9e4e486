"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
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


def masked_psnr(
    image: Float[Tensor, "*B H W C"], truth: Float[Tensor, "..."], mask: Bool[Tensor, "..."]
) -> Float[Tensor, "*B"]:
    """:func:`psnr` over the pixels of ``mask`` alone: what lies outside neither helps nor hurts.

    Args:
        image: pictures, clamped to 0..1 first.
        truth: what they should be, 0..1.
        mask: the pixels that count.

    Returns:
        PSNR of each picture in decibels.

    Raises:
        ValueError: the shapes differ, or a mask is empty.

    Example:
        >>> truth, mask = torch.zeros(2, 2, 3), torch.tensor([[True, False], [False, False]])
        >>> masked_psnr(truth + 0.1, truth, mask)
        tensor(20.)
    """
    if image.shape != truth.shape or image.shape[:-1] != mask.shape or not mask.flatten(-2).any(-1).all():
        shapes = f"{tuple(image.shape)}, {tuple(truth.shape)} and {tuple(mask.shape)}"
        raise ValueError(f"masked_psnr needs two equal pictures and a mask of theirs that is not empty, not {shapes}")
    error = (image.clamp(0, 1) - truth).square().mean(-1) * mask
    return -10 * torch.log10(error.flatten(-2).sum(-1) / mask.flatten(-2).sum(-1))
