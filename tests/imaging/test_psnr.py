"""PSNR against scikit-image's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from imaging.psnr import psnr


def test_agrees_with_scikit_image_for_every_picture_of_a_batch() -> None:
    generator = np.random.default_rng(0)
    image, truth = generator.random((2, 3, 20, 30, 3)).astype(np.float32)
    expected = [peak_signal_noise_ratio(t, i, data_range=1.0) for i, t in zip(image, truth, strict=True)]
    np.testing.assert_allclose(psnr(torch.from_numpy(image), torch.from_numpy(truth)), expected, rtol=1e-5)


def test_a_uniform_error_of_a_tenth_is_20_db_and_no_error_is_infinite() -> None:
    grey = torch.full((8, 8, 3), 0.5)
    assert psnr(grey + 0.1, grey).item() == pytest.approx(20.0, abs=1e-4)
    assert psnr(grey, grey).item() == float("inf")


def test_brighter_than_white_counts_as_white() -> None:
    assert psnr(torch.full((4, 4, 3), 7.0), torch.ones(4, 4, 3)).item() == float("inf")


def test_refuses_other_shapes_and_no_pixels() -> None:
    with pytest.raises(ValueError, match="equal, non-empty"):
        psnr(torch.zeros(4, 4, 3), torch.zeros(4, 5, 3))
    with pytest.raises(ValueError, match="equal, non-empty"):
        psnr(torch.zeros(4, 0, 3), torch.zeros(4, 0, 3))
