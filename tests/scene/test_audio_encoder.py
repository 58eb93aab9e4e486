"""Tokens of audio, eyes and camera."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arguments.settings import ModelSettings
from scene.audio_encoder import AudioEncoder, PeriodicPositionalEncoding, TokenEncoder, pose_code
from scene.audio_window import audio_windows

SETTINGS = ModelSettings(feature_dim=8, heads=2, audio_window=4, ppe_period=5)


def test_positions_repeat_with_the_period_in_absolute_time():
    ppe = PeriodicPositionalEncoding(8, 5)
    frames = torch.arange(12)[None]
    code = ppe(frames)[0]
    assert torch.allclose(code[:7], code[5:])
    assert (code[0] - code[1]).abs().max() > 0.5


def test_the_first_position_is_sines_of_zero_and_the_rates_are_faceformers():
    code = PeriodicPositionalEncoding(4, 100)(torch.tensor([[0, 3]]))[0]
    assert torch.allclose(code[0], torch.tensor([0.0, 1.0, 0.0, 1.0]))
    three = torch.tensor([3.0, 3.0, 0.03, 0.03])
    expected = torch.stack([three[0].sin(), three[1].cos(), three[2].sin(), three[3].cos()])
    assert torch.allclose(code[1], expected)


def test_a_tokens_code_follows_its_frame_not_its_place():
    encoder = AudioEncoder((6,), replace(SETTINGS, ppe=True)).eval()
    window = torch.zeros(1, 4, 6)
    first, later, period = (encoder(window, torch.arange(4)[None] + shift) for shift in (0, 2, 5))
    assert (first - later).abs().max() > 1e-3
    assert torch.allclose(first, period, atol=1e-6)
    silent = AudioEncoder((6,), replace(SETTINGS, ppe=False)).eval()
    assert torch.equal(silent(window, torch.arange(4)[None]), silent(window, torch.arange(4)[None] + 2))


def test_features_are_standardised_by_the_clips_statistics():
    encoder = AudioEncoder((6,), SETTINGS).eval()
    clip = torch.randn(50, 6) * 7 + 100
    encoder.set_statistics(clip)
    scaled = AudioEncoder((6,), SETTINGS).eval()
    scaled.load_state_dict({**encoder.state_dict(), "mean": torch.zeros(6), "deviation": torch.ones(6)})
    window = clip[None, :4]
    standard = (window - clip.mean(0)) / clip.std(0)
    frames = torch.arange(4)[None]
    assert torch.allclose(encoder(window, frames), scaled(standard, frames), atol=1e-5)


def test_noise_and_dropout_are_for_training_only():
    encoder = AudioEncoder((6,), SETTINGS)
    window, frames = torch.randn(1, 4, 6), torch.arange(4)[None]
    assert not torch.allclose(encoder(window, frames), encoder(window, frames))
    encoder.eval()
    assert torch.equal(encoder(window, frames), encoder(window, frames))


@pytest.mark.parametrize("shape", [(6,), (16, 29)])
def test_windows_of_any_extractor_become_tokens(shape):
    encoder = TokenEncoder(shape, SETTINGS).eval()
    view = torch.eye(4).expand(2, 4, 4)
    tokens = encoder(torch.randn(2, 4, *shape), torch.arange(4).expand(2, 4), torch.rand(2, 1), view)
    assert tokens.shape == (2, 4 + 3, 8)
    assert torch.equal(tokens[0, -1], tokens[1, -1])  # the null token carries no sound


def test_a_blink_changes_the_eye_token_alone():
    encoder = TokenEncoder((6,), SETTINGS).eval()
    audio, frames, view = torch.randn(1, 4, 6), torch.arange(4)[None], torch.eye(4)[None]
    opened, closed = (encoder(audio, frames, torch.tensor([[eye]]), view) for eye in (0.0, 1.0))
    changed = (opened - closed).abs().amax(-1)[0] > 1e-6
    assert changed.tolist() == [False] * 4 + [True, False, False]


def test_the_camera_code_ignores_distance():
    near, far = torch.eye(4)[None].clone(), torch.eye(4)[None].clone()
    far[:, 2, 3] = 9.0
    assert torch.equal(pose_code(near), pose_code(far))
    assert pose_code(near)[0].tolist() == [0, 0, 1, 0, 1, 0]


def test_a_window_is_centred_and_its_ends_repeat():
    features = torch.arange(5.0)[:, None]
    windows, frames = audio_windows(features, torch.tensor([0, 2, 4]), 4)
    assert frames.tolist() == [[-2, -1, 0, 1], [0, 1, 2, 3], [2, 3, 4, 5]]
    assert windows[..., 0].tolist() == [[0, 0, 0, 1], [0, 1, 2, 3], [2, 3, 4, 4]]
