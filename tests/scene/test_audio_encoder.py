"""Windows of audio features as a token."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arguments.settings import ModelSettings
from scene.audio_encoder import AudioEncoder, PeriodicPositionalEncoding

SETTINGS = ModelSettings(drive="audio", feature_dim=8, heads=2, audio_window=4, ppe_period=5)
ROWS = SETTINGS.signal_window


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
    sound, frames = torch.zeros(1, ROWS, 6), torch.arange(ROWS)[None]
    first, later, period = (encoder(sound, frames + shift) for shift in (0, 2, 5))
    assert (first - later).abs().max() > 1e-3
    assert torch.allclose(first, period, atol=1e-6)
    silent = AudioEncoder((6,), replace(SETTINGS, ppe=False)).eval()
    assert torch.equal(silent(sound, frames), silent(sound, frames + 2))


@pytest.mark.parametrize("shape", [(6,), (16, 29)])
def test_features_are_standardised_by_the_clips_statistics(shape):
    encoder = AudioEncoder(shape, SETTINGS).eval()
    clip = torch.randn(50, *shape) * 7 + 100
    encoder.set_statistics(clip)
    scaled = AudioEncoder(shape, SETTINGS).eval()
    width = encoder.mean.shape
    scaled.load_state_dict({**encoder.state_dict(), "mean": torch.zeros(width), "deviation": torch.ones(width)})
    sound, frames = clip[None, :ROWS], torch.arange(ROWS)[None]
    standard = (sound - clip.mean(0)) / clip.std(0)
    token = encoder(sound, frames)
    assert token.shape == (1, 1, 8)
    assert torch.allclose(token, scaled(standard, frames), atol=1e-5)


def test_every_row_of_the_sound_counts():
    torch.manual_seed(0)
    encoder = AudioEncoder((6,), SETTINGS).eval()
    sound, frames = torch.randn(1, ROWS, 6, requires_grad=True), torch.arange(ROWS)[None]
    encoder(sound, frames).square().sum().backward()
    assert (sound.grad.abs().amax(-1) > 1e-9).all()


def test_the_same_sound_one_frame_later_gives_its_windows_the_same_vectors():
    torch.manual_seed(0)
    encoder = AudioEncoder((6,), replace(SETTINGS, ppe=False)).eval()
    recording, frames = torch.randn(1, ROWS + 1, 6), torch.arange(ROWS)[None]
    heard: list[torch.Tensor] = []
    encoder.vector.register_forward_hook(lambda module, inputs, vectors: heard.append(vectors))
    for start in (0, 1):
        encoder(recording[:, start : start + ROWS], frames)
    assert torch.allclose(heard[0][1:], heard[1][:-1], atol=1e-6)


def test_noise_is_for_training_only():
    encoder = AudioEncoder((6,), replace(SETTINGS, audio_noise=0.5))
    sound, frames = torch.randn(1, ROWS, 6), torch.arange(ROWS)[None]
    assert not torch.allclose(encoder(sound, frames), encoder(sound, frames))
    encoder.eval()
    assert torch.equal(encoder(sound, frames), encoder(sound, frames))
