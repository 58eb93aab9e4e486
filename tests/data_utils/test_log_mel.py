import numpy as np
import pytest
from scipy.signal import lfilter

from arguments.errors import EGSTalkerError
from data_utils.audio_features import extract, hops
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
    assert row[:80].mean() > row[80:160].mean() + 0.5


def test_a_quiet_recording_gives_the_same_features():
    samples = speech_like(4)
    np.testing.assert_allclose(log_mel(0.1 * samples, 100), log_mel(samples, 100), atol=1e-3)


def test_speech_lies_on_a_unit_scale_and_silence_at_its_low_end():
    features = log_mel(np.concatenate([speech_like(4), np.zeros(16000, np.float32)]), 125)
    assert features.shape == (125, DIMENSION)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[-10:], -1.5, atol=1e-3)
    assert 0 < features[:100, :160].mean() < 2 and features.max() < 4


@pytest.mark.parametrize("rows", [7, 400])
def test_long_sound_is_cut_into_pieces_without_a_seam(monkeypatch, rows):
    samples = speech_like(20)
    monkeypatch.setattr(hops, "_CHUNK_FRAMES", 1000)
    whole = log_mel(samples, 500)
    monkeypatch.setattr(hops, "_CHUNK_FRAMES", rows)
    np.testing.assert_allclose(log_mel(samples, 500), whole, atol=1e-4)


def test_the_same_sound_cut_elsewhere_gives_the_same_features():
    samples = speech_like(70)
    whole, shifted = log_mel(samples, 1750), log_mel(samples[100 * 640 :], 1650)
    assert np.abs(whole[1400:1600] - shifted[1300:1500]).mean() < 0.05


def test_rows_beyond_the_sound_are_silence():
    assert np.ptp(log_mel(np.zeros(0, np.float32), 5)) < 1e-6
    features = log_mel(speech_like(1), 40)
    np.testing.assert_allclose(features[30:], features.min(), atol=1e-5)
    assert features[:20].mean() > features.min() + 1


def voice(seconds, pitch):
    """Syllables of a buzz at ``pitch`` Hz (0: of hiss), falling by 6 dB an octave, over faint noise."""
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * 16000)) / 16000
    source = np.diff(np.floor(pitch * time), prepend=0) if pitch else rng.standard_normal(len(time))
    source = lfilter([1], [1, -0.8], source)
    loudness = np.repeat(rng.uniform(0, 1, int(seconds * 5) + 1), 3200)[: len(time)]
    return (
        0.1 * loudness * source / (source.std() if len(source) else 1) + 1e-4 * rng.standard_normal(len(time))
    ).astype(np.float32)


@pytest.mark.parametrize("colour", [[1, -0.7], [1, 0.7]])
@pytest.mark.parametrize("pitch", [0, 110])
def test_another_microphone_gives_the_same_features(colour, pitch):
    samples = voice(20, pitch)
    plain, coloured = log_mel(samples, 500), log_mel(lfilter(colour, [1], samples), 500)
    gain = np.log(np.abs(np.fft.rfft(colour, 512)) ** 2)
    assert 3 * np.ptp(gain) / -np.log(3e-3) > 1.5  # by so much, in the features' unit, it shifts bands
    assert np.abs(plain - coloured).mean() < 0.12


def test_faint_noise_between_words_counts_as_silence():
    samples = voice(8, 120)
    samples[:32000] = 0
    rng = np.random.default_rng(1)
    loud = np.sqrt(np.mean(np.square(samples[32000:])))
    noisy = samples + 0.003 * loud * rng.standard_normal(len(samples)).astype(np.float32)
    assert log_mel(noisy, 200)[5:45, :160].mean() < -1.0


@pytest.mark.parametrize("pitch", [80, 120, 250, 380])
def test_voiced_sound_is_told_from_hiss_and_silence(pitch):
    sound = np.concatenate([voice(2, pitch), voice(2, 0), np.zeros(32000, np.float32)])
    voiced, hiss, silence = log_mel(sound, 150)[:, 160:].reshape(3, -1)
    assert np.median(voiced) > 0.9
    assert np.median(hiss) < np.median(voiced) - 0.8
    assert silence[5:].max() == silence[5:].min() == -1.5


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.04, 0.3])
def test_hardly_any_sound_gives_features_of_the_usual_size(seconds):
    features = log_mel(voice(seconds, 120), 20)
    assert np.isfinite(features).all() and features.min() >= -1.51 and features.max() < 5


def test_features_do_not_depend_on_what_is_beyond_the_rows():
    samples = voice(4, 120)
    np.testing.assert_array_equal(log_mel(samples, 50), log_mel(samples[: 50 * 640], 50))
    np.testing.assert_array_equal(log_mel(samples, 100), log_mel(samples.copy(), 100))


def room_noise(seconds):
    """White noise at -62 dBFS."""
    return (10 ** (-62 / 20) * np.random.default_rng(9).standard_normal(seconds * 16000)).astype(np.float32)


@pytest.mark.parametrize("level", [1.0, 0.13])  # of speech at -23 dBFS; -41 dBFS
def test_the_same_speech_gives_the_same_features_whatever_is_around_it(spoken, level):
    speech, before = np.float32(level) * spoken, slice(147 * 16000, 153 * 16000)
    in_silence, in_noise = np.zeros(300 * 16000, np.float32), room_noise(300)
    in_silence[before], in_noise[before] = speech, in_noise[before] + speech
    rows, noisy_rows = (log_mel(sound, 7500)[147 * 25 : 153 * 25] for sound in (in_silence, in_noise))
    np.testing.assert_allclose(rows, log_mel(speech, 150), atol=0.01)
    assert np.abs(noisy_rows - log_mel(in_noise[before], 150))[2:-2].max() < 0.05  # noise goes on beyond the cut's ends
    if level == 1:
        assert np.abs(noisy_rows - rows).mean() < 0.25  # what the noise itself adds, mostly to the weakest bands


def test_room_noise_alone_stays_near_silence(spoken):
    rows = log_mel(room_noise(20), 500)
    assert rows.mean() < -1.0 and rows[:, :160].mean(1).max() < -0.9
    assert log_mel(0.13 * spoken, 150)[:, :160].mean() > rows.mean() + 0.5


def test_a_click_does_not_pass_for_a_voice(spoken):
    clicked = np.concatenate([spoken, np.zeros(16000, np.float32)])
    clicked[-8000:-7600] = 0.9
    np.testing.assert_allclose(log_mel(clicked, 175)[:150], log_mel(spoken, 150), atol=0.15)


def test_an_unknown_extractor_is_named():
    with pytest.raises(EGSTalkerError, match="log_mel"):
        extract("mfcc", np.zeros(640, np.float32), 1)
