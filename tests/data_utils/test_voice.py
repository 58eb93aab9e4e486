"""How much of a frame is speech."""

from __future__ import annotations

import numpy as np
import pytest

from arguments.clock import SAMPLES_PER_FRAME
from data_utils.voice import speech_share
from tests.tiny_head import speech_like


def frames_of(*loud: bool) -> np.ndarray:
    """A second (25 frames) of speech or of silence for each."""
    voice = speech_like(1.0)
    return np.concatenate([voice if one else np.zeros_like(voice) for one in loud])


def test_speech_is_told_from_silence():
    share = speech_share(frames_of(True, False, True), 75)
    assert share.shape == (75,) and share.dtype == np.float32
    assert share[1:24].min() == 1 and share[52:74].min() == 1
    assert share[27:48].max() == 0


def test_beyond_the_sounds_end_nothing_is_said():
    share = speech_share(frames_of(True), 40)
    assert share[:24].min() == 1 and share[26:].max() == 0


def test_a_sound_that_goes_on_is_cut():
    assert speech_share(frames_of(True, True), 10).tolist() == [1.0] * 10


def test_a_frame_can_be_speech_in_part():
    late = np.concatenate([np.zeros(25 * SAMPLES_PER_FRAME + 480, np.float32), speech_like(1.0)])
    share = speech_share(late, 50)
    assert 0 < share[25] < 1 and share[24] == 0 and share[26] == 1
    assert set(np.round(share * 4, 6)) <= {0, 1, 2, 3, 4}  # of four pieces


@pytest.mark.parametrize("samples", [0, 100, 640 * 3])
def test_silence_however_short_is_no_speech(samples):
    assert speech_share(np.zeros(samples, np.float32), 5).tolist() == [0.0] * 5
