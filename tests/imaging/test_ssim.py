"""SSIM against scikit-image's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from imaging.ssim import ssim


def _smooth_and_noisy(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:40, 0:52] / 10.0
    truth = np.stack([np.sin(x + k) * np.cos(y * (k + 1)) * 0.4 + 0.5 for k in range(3)], -1)
    return np.clip(truth + generator.normal(0, 0.05, truth.shape), 0, 1), truth


def test_agrees_with_scikit_image_for_every_picture_of_a_batch() -> None:
    pairs = [_smooth_and_noisy(seed) for seed in range(3)]
    expected = [
        structural_similarity(
            *pair, channel_axis=-1, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for pair in pairs
    ]
    image, truth = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
    np.testing.assert_allclose(ssim(image, truth), expected, atol=1e-6)


def test_equal_pictures_score_one_whatever_the_leading_dimensions() -> None:
    images = torch.rand(2, 3, 16, 16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ssim(images, images), torch.ones(2, 3, dtype=torch.float64))
    assert ssim(images[0, 0], images[0, 0]).shape == ()


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    image, truth = torch.rand(2, 1, 12, 13, 1, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(ssim, (image.requires_grad_(), truth.requires_grad_()))


def test_refuses_pictures_smaller_than_its_window() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        ssim(torch.zeros(10, 40, 3), torch.zeros(10, 40, 3))
