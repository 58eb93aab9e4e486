"""All tokens of a frame: of what drives the face, of eyes and of the camera."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arguments.settings import ModelSettings
from scene.tokens import TokenEncoder, pose_code

MOTION = ModelSettings(feature_dim=8, heads=2, lower_codes=3, upper_codes=2, motion_window=3)
AUDIO = replace(MOTION, drive="audio", audio_window=4)
KINDS = [(MOTION, (6,), 3), (AUDIO, (6,), 1), (AUDIO, (16, 29), 1)]


def frame(settings: ModelSettings, shape: tuple[int, ...], batch: int = 1) -> tuple[torch.Tensor, ...]:
    """A signal around each frame, its frames' numbers, and a camera."""
    window = settings.signal_window
    numbers = torch.arange(window).expand(batch, window)
    return torch.randn(batch, window, *shape), numbers, torch.eye(4).expand(batch, 4, 4)


@pytest.mark.parametrize(("settings", "shape", "count"), KINDS)
def test_any_signal_becomes_its_tokens_and_three_more(settings, shape, count):
    encoder = TokenEncoder(shape, settings).eval()
    signal, numbers, view = frame(settings, shape, batch=2)
    tokens = encoder(signal, numbers, torch.rand(2, 1), view)
    assert tokens.shape == (2, count + 3, 8)
    assert torch.equal(tokens[0, -1], tokens[1, -1])  # the null token carries nothing
    assert not torch.allclose(tokens[0, :count], tokens[1, :count])


@pytest.mark.parametrize(("settings", "shape", "count"), KINDS)
def test_a_blink_changes_the_eye_token_alone(settings, shape, count):
    encoder = TokenEncoder(shape, settings).eval()
    signal, numbers, view = frame(settings, shape)
    opened, closed = (encoder(signal, numbers, torch.tensor([[eye]]), view) for eye in (0.0, 1.0))
    changed = (opened - closed).abs().amax(-1)[0] > 1e-6
    assert changed.tolist() == [False] * count + [True, False, False]


def test_tokens_are_apart_before_anything_is_learnt():
    torch.manual_seed(0)
    encoder = TokenEncoder((6,), MOTION).eval()
    signal, numbers, view = frame(MOTION, (6,))
    tokens = encoder(torch.zeros_like(signal), numbers, torch.zeros(1, 1), view)[0]
    assert torch.pdist(tokens).min() > 0.5


def test_the_camera_code_ignores_distance():
    near, far = torch.eye(4)[None].clone(), torch.eye(4)[None].clone()
    far[:, 2, 3] = 9.0
    assert torch.equal(pose_code(near), pose_code(far))
    assert pose_code(near)[0].tolist() == [0, 0, 1, 0, 1, 0]
