"""What training minimises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from skimage.metrics import structural_similarity

from arguments.settings import TrainingSettings
from kernels.columns import ATTRIBUTES, MEANS, OPACITIES
from scene.attributes import Attributes
from scene.cameras import Camera
from scene.drive import Drive
from training.frame_batch import FrameBatch
from training.losses import image_losses, motion_loss, motion_weights, multi_scale_gradients, offset_loss, psnr_of

SETTINGS = TrainingSettings(dssim_weight=0.2, lips_weight=2.0, eyes_weight=1.0, mask_weight=0.5, perceptual_weight=0.1)


def picture(value: float) -> torch.Tensor:
    return torch.full((1, 32, 32, 3), value)


def frames_of(image: torch.Tensor) -> FrameBatch:
    blank = torch.zeros(1, 32, 32, dtype=torch.bool)
    head, mouth, eyes = torch.zeros(1, 32, 32), blank.clone(), blank.clone()
    head[:, :16], mouth[:, 20:24, 10:20], eyes[:, 4:6, 4:28] = 1.0, True, True
    zero = torch.zeros(1, dtype=torch.long)
    camera = Camera.from_focal(torch.eye(4)[None], 30.0, 32, 32)
    drive = Drive(torch.zeros(1, 1, 2), zero[None], torch.zeros(1, 1), camera, torch.zeros(1, 12))
    return FrameBatch(zero, drive, image, picture(0.0), head, mouth, eyes, torch.zeros(1, 2, dtype=torch.long))


def losses_of(image: torch.Tensor, truth: torch.Tensor, alpha: torch.Tensor):
    return image_losses(image, alpha, frames_of(truth), SETTINGS, multi_scale_gradients)


def test_a_perfect_picture_with_the_heads_own_mask_costs_nothing():
    torch.manual_seed(0)
    truth = torch.rand(1, 32, 32, 3)
    alpha = frames_of(truth).head[..., None]
    assert losses_of(truth, truth, alpha).total().item() == pytest.approx(0, abs=1e-5)


def test_hair_that_is_shared_asks_the_head_for_its_share_of_the_opacity():
    frames = replace(frames_of(picture(0.5)), head=torch.full((1, 32, 32), 0.3))
    for opacity, cost in ((0.3, 0.0), (1.0, 0.7), (0.0, 0.3)):
        alpha = torch.full((1, 32, 32, 1), opacity)
        losses = image_losses(picture(0.5), alpha, frames, SETTINGS, multi_scale_gradients)
        assert losses.mask.item() == pytest.approx(0.5 * cost, abs=1e-6)


def test_each_term_sees_its_own_part_of_the_picture():
    """Of 1024 pixels, 20 of the mouth's 40 are off by 0.2 and all 48 of the eyes' by 0.3 in one channel of three."""
    image, alpha = picture(0.5), torch.zeros(1, 32, 32, 1)
    image[:, 20:24, 10:15] += 0.2
    image[:, 4:6, 4:28, 0] += 0.3
    alpha[:, :8] = 1  # half of the head's sixteen rows
    terms = image_losses(image, alpha, frames_of(picture(0.5)), SETTINGS, lambda *_: torch.tensor(0.7))
    assert terms.l1.item() == pytest.approx(0.006875, rel=1e-5)  # 0.8 (20 * 0.2 + 48 * 0.1) / 1024
    assert terms.lips.item() == pytest.approx(0.02, rel=1e-5)  # 2 * 0.1 * (20 * 0.2) / 40
    assert terms.eyes.item() == pytest.approx(0.01, rel=1e-5)  # 1 * 0.1 * 0.1
    assert terms.mask.item() == pytest.approx(0.125)  # 0.5 * 8 / 32
    assert terms.perceptual.item() == pytest.approx(0.07)  # 0.1 * 0.7


def test_flat_pictures_have_known_losses():
    terms = losses_of(picture(0.6), picture(0.5), torch.zeros(1, 32, 32, 1))
    assert terms.l1.item() == pytest.approx(0.8 * 0.1, rel=1e-4)
    similarity = (2 * 0.6 * 0.5 + 1e-4) / (0.6**2 + 0.5**2 + 1e-4)  # Wang et al. 2004, equation 13 without variance
    assert terms.dssim.item() == pytest.approx(0.2 * (1 - similarity), rel=1e-3)
    assert terms.lips.item() == pytest.approx(2.0 * 0.1 * 0.1, rel=1e-4)
    assert terms.mask.item() == pytest.approx(0.5 * 0.5)
    assert terms.perceptual.item() == pytest.approx(0, abs=1e-7)
    # 0.08 + 0.2 * (1 - 0.6001 / 0.6101) + 0.02 + 0.01 + 0.25
    assert terms.total().item() == pytest.approx(0.363278, abs=1e-5)


def test_the_similarity_term_is_scikit_images():
    truth = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0)).double()
    image = (truth + 0.2 * torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    pair = image[0].numpy(), truth[0].numpy()
    expected = structural_similarity(
        *pair, channel_axis=-1, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    dssim = losses_of(image, truth, torch.zeros(1, 32, 32, 1)).dssim
    assert dssim.item() == pytest.approx(0.2 * (1 - expected), abs=1e-5)


def test_a_picture_without_mouth_or_eyes_has_no_such_terms():
    frames = frames_of(picture(0.5))
    nowhere = replace(frames, mouth=torch.zeros_like(frames.mouth), eyes=torch.zeros_like(frames.eyes))
    terms = image_losses(picture(0.9), torch.zeros(1, 32, 32, 1), nowhere, SETTINGS, multi_scale_gradients)
    assert terms.lips.item() == terms.eyes.item() == 0


def test_equal_pictures_have_equal_gradients_at_all_sizes():
    image = torch.rand(2, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    assert multi_scale_gradients(image, image).item() == 0
    assert multi_scale_gradients(image + 0.2, image).item() == pytest.approx(0, abs=1e-6)
    assert multi_scale_gradients(image, image.flip(1)).item() > 0.1


def test_gradients_at_several_sizes_ignore_brightness_and_see_edges():
    step = picture(0.2)
    step[:, :, 16:] = 0.7
    assert multi_scale_gradients(picture(0.3), picture(0.6)).item() == pytest.approx(0, abs=1e-7)
    # one column of 31 differences at full size, of 15 at half, of 7 at a quarter; the rows do not differ
    expected = 0.5 * (1 / 31 + 1 / 15 + 1 / 7)
    assert multi_scale_gradients(step, picture(0.2)).item() == pytest.approx(expected, rel=1e-5)


def test_motion_of_equal_vertices_is_weighted_to_one():
    moves = 0.01 * torch.randn(2000, 20, 3, generator=torch.Generator().manual_seed(0))
    weights = motion_weights(moves)
    assert motion_loss(torch.zeros_like(moves), moves, weights).item() == pytest.approx(1, abs=0.1)
    assert torch.allclose(motion_weights(10 * moves), weights / 100, rtol=1e-3)


def test_motion_is_weighted_to_about_one_and_rare_far_moves_weigh_more():
    torch.manual_seed(0)
    moves = 0.01 * torch.randn(400, 20, 3)
    moves[::50, 0, 1] -= 0.3  # a lid that blinks
    weights = motion_weights(moves)
    assert motion_loss(torch.zeros_like(moves), moves, weights).item() == pytest.approx(1.5, abs=1.0)
    assert weights[0] > 4 * weights[1:].median()
    assert motion_loss(moves, moves, weights).item() == 0


def test_a_face_that_never_moves_does_not_blow_the_weights_up():
    assert motion_weights(torch.zeros(30, 5, 3)).max() <= 1e6


def test_offsets_cost_their_squares():
    offsets = torch.zeros(1, 4, ATTRIBUTES)
    assert offset_loss(Attributes(offsets)).item() == 0
    offsets[..., MEANS], offsets[..., OPACITIES] = 0.1, 2.0
    assert offset_loss(Attributes(offsets)).item() == pytest.approx(1 + 4)


def test_psnr_of_a_known_error():
    assert psnr_of(picture(0.6), picture(0.5)) == pytest.approx(20, abs=1e-3)
