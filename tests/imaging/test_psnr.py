"""PSNR against scikit-image's, and over a part of the pixels against known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from imaging.psnr import masked_psnr, psnr


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


def test_over_a_mask_only_its_own_pixels_count() -> None:
    truth = torch.full((2, 4, 5, 3), 0.5)
    mask = torch.zeros(2, 4, 5, dtype=torch.bool)
    mask[0, 1, 1:3], mask[1, 0, 0] = True, True
    image = torch.zeros_like(truth)  # as wrong as can be, but in the masks
    image[0, 1, 1:3] = torch.tensor([0.5, 0.5, 0.7])
    image[1, 0, 0] = 0.51
    expected = [-10 * np.log10(0.2**2 / 3), 40.0]
    np.testing.assert_allclose(masked_psnr(image, truth, mask), expected, atol=1e-3)


def test_over_all_pixels_it_is_the_plain_psnr_and_over_none_there_is_no_answer() -> None:
    image, truth = torch.rand(2, 3, 6, 7, 3, generator=torch.Generator().manual_seed(0))
    everything = torch.ones(3, 6, 7, dtype=torch.bool)
    torch.testing.assert_close(masked_psnr(image, truth, everything), psnr(image, truth))
    for wrong in (everything & (torch.arange(3) > 0)[:, None, None], everything[:1]):
        with pytest.raises(ValueError, match="not empty"):
            masked_psnr(image, truth, wrong)
