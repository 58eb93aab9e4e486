"""Expression codes as tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arguments.settings import ModelSettings
from scene.motion_encoder import RANGE, MotionEncoder

SETTINGS = ModelSettings(feature_dim=8, heads=2, lower_codes=3, upper_codes=2, motion_window=3, motion_noise=0.1)
FRAMES = torch.arange(3)[None]


def changed_by(encoder: MotionEncoder, code: int) -> list[bool]:
    """Which of the three tokens a code reaches, in whichever row of the window."""
    signal = torch.randn(1, 3, 6)
    reached = []
    for row in range(3):
        other = signal.clone()
        other[0, row, code] += 1.0
        reached.append((encoder(signal, FRAMES) - encoder(other, FRAMES)).abs().amax(-1)[0] > 1e-6)
    assert all(torch.equal(found, reached[0]) for found in reached)
    return reached[0].tolist()


def test_each_code_reaches_its_own_token_from_every_row_of_the_window():
    encoder = MotionEncoder((6,), SETTINGS).eval()
    assert changed_by(encoder, 0) == [True, True, False]  # the gap, which lips and jaw go with
    for lower in (1, 2, 3):
        assert changed_by(encoder, lower) == [False, True, False]
    for upper in (4, 5):
        assert changed_by(encoder, upper) == [False, False, True]


def test_closed_and_wide_open_are_learnt_from_the_clip():
    encoder = MotionEncoder((6,), SETTINGS)
    clip = torch.randn(500, 6)
    encoder.set_statistics(clip)
    low, high = torch.tensor(sorted(clip[:, 0].tolist())).quantile(torch.tensor(RANGE))
    assert float(encoder.closed) == pytest.approx(float(low)) and float(encoder.span) == pytest.approx(
        float(high - low)
    )
    assert set(encoder.state_dict()) >= {"closed", "span"}  # a loaded head knows them


def test_a_clip_whose_lips_never_move_gives_finite_tokens():
    encoder = MotionEncoder((6,), SETTINGS).eval()
    encoder.set_statistics(torch.zeros(40, 6))
    assert encoder(torch.zeros(1, 3, 6), FRAMES).isfinite().all()


def test_lips_that_all_but_touch_differ_much_from_touching_ones():
    torch.manual_seed(0)
    encoder = MotionEncoder((6,), SETTINGS).eval()
    encoder.set_statistics(torch.linspace(-2, 2, 101)[:, None].expand(101, 6).contiguous())
    with torch.no_grad():  # what the gap itself says is taken away: what stays is that lips touch
        encoder.tokens[0][0].weight[:, :3] = 0
    gap = torch.zeros(4, 3, 6)
    gap[:, :, 0] = torch.tensor([float(encoder.closed) - 1, float(encoder.closed), 0.0, 1.0])[:, None]
    below, shut, open_, wide = encoder(gap, FRAMES.expand(4, 3))[:, 0]
    assert torch.allclose(below, shut)
    assert (shut - open_).norm() > 20 * (open_ - wide).norm() > 0


def test_noise_is_for_training_only():
    encoder = MotionEncoder((6,), SETTINGS)
    signal = torch.randn(1, 3, 6)
    assert not torch.allclose(encoder(signal, FRAMES), encoder(signal, FRAMES))
    encoder.eval()
    assert torch.equal(encoder(signal, FRAMES), encoder(signal, FRAMES))


def test_a_head_may_have_no_codes_of_the_rest_of_the_face():
    encoder = MotionEncoder((4,), replace(SETTINGS, upper_codes=0)).eval()
    tokens = encoder(torch.randn(2, 3, 4), FRAMES.expand(2, 3))
    assert tokens.shape == (2, 3, 8) and torch.equal(tokens[0, 2], tokens[1, 2])
