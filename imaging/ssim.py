"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): the Gaussian-window form, differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from kernels.table import served

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
    x, y = (picture.reshape(-1, *picture.shape[-3:]) for picture in (image, truth))
    return similarity(x, y, _window(x), (C1, C2)).reshape(image.shape[:-3])


@served
def similarity(
    x: Float[Tensor, "B H W C"],
    y: Float[Tensor, "B H W C"],
    window: Float[Tensor, "T"],
    stabilizers: tuple[float, float],
) -> Float[Tensor, "B"]:
    """SSIM of two batches of pictures with a separable ``window``; ``stabilizers``: the paper's C1 and C2."""
    c1, c2 = stabilizers
    # SSIM needs the two variances only as their sum, so four filtered maps do instead of five.
    moments = _WindowFilter.apply(torch.cat([x, y, x * y, x.square() + y.square()], dim=-1), window)
    mean_x, mean_y, mean_xy, mean_squares = moments.chunk(4, dim=-1)
    product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance, variances = mean_xy - product, mean_squares - squares
    similar = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return similar.flatten(1).mean(1)


class _WindowFilter(torch.autograd.Function):
    """Each map through the separable, symmetric window, without padding (h = H - T + 1).

    The gradient is the same filter over the padded gradient: torch's own gradient of a depthwise convolution takes many
    times as long on a CPU.
    """

    @staticmethod
    def forward(ctx, maps: Float[Tensor, "B H W K"], window: Float[Tensor, "T"]) -> Float[Tensor, "B h w K"]:
        ctx.window = window
        return filtered(maps, window)

    @staticmethod
    def backward(ctx, gradient: Float[Tensor, "B h w K"]) -> tuple[Float[Tensor, "B H W K"], None]:
        margin = (len(ctx.window) - 1,) * 2
        return filtered(pad(gradient, (0, 0, *margin, *margin)), ctx.window), None


@served
def filtered(maps: Float[Tensor, "B H W K"], window: Float[Tensor, "T"]) -> Float[Tensor, "B h w K"]:
    """Convolve each map with the separable, symmetric ``window``, without padding (h = H - T + 1)."""
    taps = window.expand(maps.shape[-1], 1, len(window))
    rows = conv2d(maps.permute(0, 3, 1, 2), taps[..., :, None], groups=maps.shape[-1])
    return conv2d(rows, taps[..., None, :], groups=maps.shape[-1]).permute(0, 2, 3, 1)


def _window(like: Tensor) -> Float[Tensor, "T"]:
    taps = torch.arange(WINDOW, device=like.device, dtype=like.dtype) - WINDOW // 2
    window = torch.exp(-taps.square() / (2 * SIGMA**2))
    return window / window.sum()
