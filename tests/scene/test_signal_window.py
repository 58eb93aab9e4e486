"""The rows of a signal that a frame sees."""

from __future__ import annotations

import pytest
import torch

from arguments.settings import ModelSettings
from scene.signal_window import signal_windows


def test_a_window_is_centred_and_its_ends_repeat():
    signal = torch.arange(5.0)[:, None]
    windows, frames = signal_windows(signal, torch.tensor([0, 2, 4]), 4)
    assert frames.tolist() == [[-2, -1, 0, 1], [0, 1, 2, 3], [2, 3, 4, 5]]
    assert windows[..., 0].tolist() == [[0, 0, 0, 1], [0, 1, 2, 3], [2, 3, 4, 4]]


def test_an_odd_window_has_its_own_frame_in_the_middle():
    windows, frames = signal_windows(torch.arange(9.0)[:, None], torch.tensor([4]), 3)
    assert frames.tolist() == [[3, 4, 5]] and windows[..., 0].tolist() == [[3, 4, 5]]


@pytest.mark.parametrize("shape", [(7,), (16, 29)])
def test_rows_of_any_shape_come_along(shape):
    signal = torch.randn(6, *shape)
    windows, frames = signal_windows(signal, torch.tensor([2, 3]), 3)
    assert windows.shape == (2, 3, *shape)
    assert torch.equal(windows, signal[frames])


def test_a_head_sees_as_many_rows_as_its_way_of_driving_asks_for():
    assert ModelSettings(motion_window=5).signal_window == 5
    assert ModelSettings(drive="audio", audio_window=8).signal_window == 15  # eight windows of eight
