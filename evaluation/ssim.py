"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): the Gaussian-window form, differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

WINDOW = 11  # taps
SIGMA = 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2  # (K L)^2 of the paper for values in 0..1


def ssim(image: Float[Tensor, "*B H W C"], truth: Float[Tensor, "*B H W C"]) -> Float[Tensor, "*B"]:
    """Mean SSIM of each picture, -1..1 (1 for equal pictures); values are in 0..1.

    The mean runs over channels and over the pixels whose whole 11 x 11 window lies inside the picture, with population
    (not sample) covariances, as in the paper. Gradients flow to both arguments.

    Raises:
        ValueError: the shapes differ, or a side is shorter than the window.
    """
    if image.shape != truth.shape or min(image.shape[-3:-1]) < WINDOW:
        shapes = f"{tuple(image.shape)} and {tuple(truth.shape)}"
        raise ValueError(f"ssim needs two equal shapes with sides of at least {WINDOW} pixels, not {shapes}")
    batch = image.shape[:-3]
    x = image.reshape(-1, *image.shape[-3:]).permute(0, 3, 1, 2)
    y = truth.reshape(-1, *truth.shape[-3:]).permute(0, 3, 1, 2)
    # SSIM needs the two variances only as their sum, so four filtered maps do instead of five.
    moments = _GaussianFilter.apply(torch.cat([x, y, x * y, x.square() + y.square()], dim=1))
    mean_x, mean_y, mean_xy, mean_squares = moments.chunk(4, dim=1)
    product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance, variances = mean_xy - product, mean_squares - squares
    similarity = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    return similarity.flatten(1).mean(1).reshape(batch)


class _GaussianFilter(torch.autograd.Function):
    """Each map through the separable window, without padding (h = H - 10).

    The window is symmetric, so the gradient is the same filter over the padded gradient: torch's own gradient of a
    depthwise convolution takes many times as long on a CPU.
    """

    @staticmethod
    def forward(ctx, maps: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K h w"]:
        return _filtered(maps)

    @staticmethod
    def backward(ctx, gradient: Float[Tensor, "B K h w"]) -> Float[Tensor, "B K H W"]:
        return _filtered(pad(gradient, (WINDOW - 1,) * 4))


def _filtered(maps: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K h w"]:
    taps = torch.arange(WINDOW, device=maps.device, dtype=maps.dtype) - WINDOW // 2
    window = torch.exp(-taps.square() / (2 * SIGMA**2))
    window = (window / window.sum()).expand(maps.shape[1], 1, WINDOW)
    maps = maps.contiguous(memory_format=torch.channels_last)  # the fast form of depthwise convolution on a CPU
    rows = conv2d(maps, window[..., :, None], groups=maps.shape[1])
    return conv2d(rows, window[..., None, :], groups=maps.shape[1])
