import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils.audio_features import extract
from data_utils.audio_features.log_mel import DIMENSION, log_mel


def speech_like(seconds, seed=0):
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 1, int(seconds * 10)), 1600)
    return (0.1 * loudness * rng.standard_normal(len(loudness))).astype(np.float32)


def test_a_click_lands_in_the_row_of_its_own_frame():
    for frame in (3, 17, 30):
        samples = np.zeros(40 * 640, np.float32)
        samples[frame * 640 + 310 : frame * 640 + 330] = 0.5
        energy = log_mel(samples, 40).mean(1)
        assert energy.argmax() == frame
        assert energy[frame - 2] == energy[frame + 2] == energy.min()


def test_the_two_halves_of_a_row_are_in_order():
    samples = np.zeros(10 * 640, np.float32)
    samples[5 * 640 + 40 : 5 * 640 + 140] = 0.5
    row = log_mel(samples, 10)[5]
    assert row[:80].mean() > row[80:].mean() + 0.5


def test_a_quiet_recording_gives_the_same_features():
    samples = speech_like(4)
    np.testing.assert_allclose(log_mel(0.02 * samples, 100), log_mel(samples, 100), atol=1e-3)


def test_speech_lies_on_a_unit_scale_and_silence_at_its_low_end():
    features = log_mel(np.concatenate([speech_like(4), np.zeros(16000, np.float32)]), 125)
    assert features.shape == (125, DIMENSION)
    assert features.dtype == np.float32
    assert -2 < features[-10:].max() < features[:100].mean() < 3
    assert features[-10:].std() < 1e-3


def test_long_sound_is_cut_into_pieces_without_a_seam():
    samples = speech_like(70)
    whole, part = log_mel(samples, 1750), log_mel(samples, 1490)
    np.testing.assert_allclose(whole[:1490], part, atol=1e-5)
    shifted = log_mel(samples[100 * 640 :], 1650)  # the same sound, cut elsewhere
    assert np.abs(whole[1400:1600] - shifted[1300:1500]).mean() < 0.05
    assert np.abs(np.diff(whole - np.vstack([np.zeros((100, DIMENSION)), shifted]), axis=0)[1400:1600]).max() < 1e-3


def test_rows_beyond_the_sound_are_silence():
    assert np.ptp(log_mel(np.zeros(0, np.float32), 5)) < 1e-6
    features = log_mel(speech_like(1), 40)
    np.testing.assert_allclose(features[30:], features.min(), atol=1e-5)
    assert features[:20].mean() > features.min() + 1


def test_an_unknown_extractor_is_named():
    with pytest.raises(EGSTalkerError, match="log_mel"):
        extract("mfcc", np.zeros(640, np.float32), 1)
