"""How far sound and picture are apart."""

from __future__ import annotations

import numpy as np
import pytest

from data_utils.sound_lag import sound_lag
from tests.motion.faces import made_up_speech, smooth


@pytest.mark.parametrize("shift", [-7, -3, 0, 3, 9])
def test_the_shift_of_a_clip_is_found(shift):
    speech = made_up_speech(frames=400, shift=shift)
    found = sound_lag(speech.features, speech.codes[:, 0], speech.usable)
    assert abs(found - shift) <= 1  # a code follows from two frames of sound


def test_of_speech_that_one_frame_tells_it_is_exact():
    sound = smooth(np.random.default_rng(0), 500, 6)
    gap = np.roll(sound @ np.arange(1.0, 7.0), 4) + 0.5 * np.random.default_rng(1).normal(size=500)
    assert sound_lag(sound, gap, np.ones(500, dtype=bool)) == 4


def test_frames_without_the_person_do_not_count():
    sound = smooth(np.random.default_rng(0), 500, 6)
    gap = np.roll(sound[:, 0], 2)
    usable = np.ones(500, dtype=bool)
    usable[100:300] = False
    gap[100:300] = 100 * np.roll(sound[:, 1], -9)[100:300]
    assert sound_lag(sound, gap, usable) == 2


@pytest.mark.parametrize("frames", [10, 95, 400])
def test_where_nothing_is_foretold_there_is_none(frames):
    rng = np.random.default_rng(0)
    features, gap, usable = rng.normal(size=(frames, 8)), rng.normal(size=frames), np.ones(frames, dtype=bool)
    assert sound_lag(features, gap, usable) is None
    assert sound_lag(features, np.zeros(frames), usable) is None
    assert sound_lag(np.zeros((frames, 8)), gap, usable) is None
    assert sound_lag(features, gap, np.zeros(frames, dtype=bool)) is None
