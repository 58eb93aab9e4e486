"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): the Gaussian-window form, differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from evaluation.ssim_cpu import filtered
from scene.gpu_kernels import gpu_kernel

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
    fits_gpu = x.is_cuda and x.dtype == y.dtype == torch.float32 and not y.requires_grad
    kernel = gpu_kernel("evaluation.ssim_cuda", "SSIM") if fits_gpu else None
    if kernel is not None:
        return kernel.apply(x, y, _window(x), (C1, C2)).reshape(image.shape[:-3])
    # SSIM needs the two variances only as their sum, so four filtered maps do instead of five.
    moments = _GaussianFilter.apply(torch.cat([x, y, x * y, x.square() + y.square()], dim=-1))
    mean_x, mean_y, mean_xy, mean_squares = moments.chunk(4, dim=-1)
    product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance, variances = mean_xy - product, mean_squares - squares
    similarity = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    return similarity.flatten(1).mean(1).reshape(image.shape[:-3])


class _GaussianFilter(torch.autograd.Function):
    """Each map through the separable window, without padding (h = H - 10).

    The window is symmetric, so the gradient is the same filter over the padded gradient: torch's own gradient of a
    depthwise convolution takes many times as long on a CPU.
    """

    @staticmethod
    def forward(ctx, maps: Float[Tensor, "B H W K"]) -> Float[Tensor, "B h w K"]:
        return _filtered(maps)

    @staticmethod
    def backward(ctx, gradient: Float[Tensor, "B h w K"]) -> Float[Tensor, "B H W K"]:
        margin = (WINDOW - 1,) * 2
        return _filtered(pad(gradient, (0, 0, *margin, *margin)))


def _filtered(maps: Float[Tensor, "B H W K"]) -> Float[Tensor, "B h w K"]:
    window = _window(maps)
    if maps.device.type == "cpu" and maps.dtype == torch.float32:
        return filtered(maps, window)
    window = window.expand(maps.shape[-1], 1, WINDOW)
    rows = conv2d(maps.permute(0, 3, 1, 2), window[..., :, None], groups=maps.shape[-1])
    return conv2d(rows, window[..., None, :], groups=maps.shape[-1]).permute(0, 2, 3, 1)


def _window(like: Tensor) -> Float[Tensor, "T"]:
    taps = torch.arange(WINDOW, device=like.device, dtype=like.dtype) - WINDOW // 2
    window = torch.exp(-taps.square() / (2 * SIGMA**2))
    return window / window.sum()
