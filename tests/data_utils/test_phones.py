import itertools
import sys
import time

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from data_utils.audio_features import EXTRACTORS, extract
from data_utils.audio_features.acoustic_model import installed_model, read_acoustic_model
from data_utils.audio_features.cepstra import cepstra, with_deltas
from data_utils.audio_features.phones import DIMENSION, PHONE_NAMES, PHONES, UNIT, likelihoods, phones, posteriors
from tests.data_utils.tiny_acoustic_model import LOG_UNIT, write_tiny_model

SIL = PHONE_NAMES.index("SIL")


@pytest.fixture
def speech(spoken):
    return spoken


def test_likelihoods_are_those_of_the_mixtures(tmp_path):
    means, variances, costs = write_tiny_model(tmp_path)
    streams = np.random.default_rng(1).normal(0, 3, (7, 3, 13)).astype(np.float32)
    expected = np.zeros((7, 2, 3))
    for stream in range(3):
        of_stream = np.zeros((7, 2, 3))
        for piece in range(7):
            for phone in range(2):
                deviation = np.sqrt(np.maximum(variances[phone, stream], 1e-4))
                densities = norm.logpdf(streams[piece, stream], means[phone, stream], deviation).sum(1)
                for state in range(3):
                    of_stream[piece, phone, state] = logsumexp(densities - LOG_UNIT * costs[phone, state, stream])
        expected += np.maximum(of_stream, of_stream.max((1, 2), keepdims=True) - 10)
    found = likelihoods(read_acoustic_model(tmp_path), torch.from_numpy(streams)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert len(np.unique(found.round(3))) > 20  # not all at the least


def test_pieces_are_scored_alike_whatever_is_scored_with_them():
    streams = with_deltas(cepstra(np.random.default_rng(0).normal(0, 1, 16000 * 7).astype(np.float32), 0, 170, 1, 1e-4))
    whole = likelihoods(installed_model(), streams)
    np.testing.assert_allclose(likelihoods(installed_model(), streams[490:515]), whole[490:515], atol=1e-2)


def test_posteriors_are_sums_over_all_ways_through_the_states():
    scores = 4 * np.random.default_rng(2).normal(size=(6, 2, 2))
    states = [(phone, state) for phone in range(2) for state in range(2)]
    weight, share, stay = {0: 0.0, 1: 0.0}, 0.3, 0.6
    for way in itertools.product(states, repeat=6):  # pieces 0..5; piece 3 is asked for, with 3 before and 2 after
        chance = 1.0
        for (phone, state), following in itertools.pairwise(way):
            if following == (phone, state):
                chance *= stay
            elif state == 0 and following == (phone, 1):
                chance *= 1 - stay
            elif state == 1 and following[1] == 0:
                chance *= (1 - stay) / 2
            else:
                chance = 0.0
        # before the first piece all states are as likely: it is entered from any
        entry = sum(
            (stay if before == way[0] else 0.0)
            + ((1 - stay) if before[1] == 0 and way[0] == (before[0], 1) else 0.0)
            + ((1 - stay) / 2 if before[1] == 1 and way[0][1] == 0 else 0.0)
            for before in states
        )
        heard = np.prod([np.exp(share * scores[i][state]) for i, state in enumerate(way)])
        weight[way[3][0]] += chance * entry * heard
    found = posteriors(torch.from_numpy(scores), 3, 2)
    assert found.shape == (1, 2)
    assert found[0].tolist() == pytest.approx([weight[i] / sum(weight.values()) for i in range(2)], rel=1e-9)


def test_every_phone_of_the_model_has_its_column():
    named = set(installed_model().phones)
    assert set(PHONE_NAMES) == named - {"+NSN+", "+SPN+"} and len(PHONE_NAMES) == PHONES == 40


def test_pauses_are_silence_and_speech_is_not(speech):
    pause = np.zeros(2 * 16000, np.float32)
    rows = phones(np.concatenate([pause, speech, pause]), 250)
    assert rows.shape == (250, DIMENSION) and rows.dtype == np.float32
    posterior, likelihood = rows[:, : 2 * PHONES], rows[:, 2 * PHONES :]
    assert posterior.max() < 1e-3 and posterior.min() == pytest.approx(np.log(1e-4) / UNIT, abs=1e-3)
    np.testing.assert_allclose(likelihood.reshape(250, 2, PHONES).mean(2), 0, atol=1e-5)
    best = posterior.reshape(250, 2, PHONES).argmax(2)
    assert (likelihood[5:45].reshape(40, 2, PHONES).argmax(2) == SIL).all()
    assert (best[5:45] == SIL).all() and (best[205:245] == SIL).all()
    assert (best[50:200] == SIL).mean() < 0.3


def test_vowels_and_hisses_are_told_apart():
    time_ = np.arange(16000) / 16000
    from scipy.signal import butter, lfilter, sosfilt

    buzz = np.diff(np.floor(120 * time_), prepend=0) - 120 / 16000
    for formant, width in ((730, 80), (1090, 90), (2440, 120)):  # of "ah": Peterson and Barney, 1952
        radius, angle = np.exp(-np.pi * width / 16000), 2 * np.pi * formant / 16000
        buzz = lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], buzz)
    hiss = sosfilt(
        butter(4, (4500, 7500), "bandpass", fs=16000, output="sos"), np.random.default_rng(0).normal(size=16000)
    )
    quiet = np.zeros(8000)
    sound = np.concatenate([quiet, 0.1 * buzz / buzz.std(), quiet, 0.05 * hiss / hiss.std(), quiet])
    rows = phones(sound.astype(np.float32), 87)[:, :PHONES]
    score = lambda span, names: rows[span][:, [PHONE_NAMES.index(name) for name in names]].mean(0).max()  # noqa: E731
    vowel, fricative = slice(17, 33), slice(55, 70)
    assert score(vowel, ("AA", "AO", "AH")) > score(vowel, ("S", "SH", "F", "T", "IY")) + 0.5
    assert score(fricative, ("S", "Z")) > score(fricative, ("AA", "AO", "IY", "M", "L")) + 0.5


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_a_quieter_or_louder_recording_gives_the_same(speech, gain):
    np.testing.assert_allclose(phones(gain * speech, 150), phones(speech, 150), atol=0.01)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.04, 0.3])
def test_hardly_any_sound_gives_features_of_the_usual_size(speech, seconds):
    rows = phones(speech[8000:][: int(seconds * 16000)], 20)
    assert np.isfinite(rows).all() and np.abs(rows).max() < 8
    np.testing.assert_array_equal(rows, phones(speech[8000:][: int(seconds * 16000)], 20))


def test_digital_silence_and_full_scale_are_finite():
    assert np.isfinite(phones(np.zeros(64000, np.float32), 100)).all()
    assert np.isfinite(phones(np.sign(np.random.default_rng(0).normal(size=64000)).astype(np.float32), 100)).all()


def test_the_same_speech_gives_the_same_features_whatever_is_around_it(speech):
    alone = phones(speech, 150)
    silence = np.zeros(147 * 16000, np.float32)
    noise = (10 ** (-62 / 20) * np.random.default_rng(0).standard_normal(300 * 16000)).astype(np.float32)
    in_silence = np.concatenate([silence, speech, silence])
    in_noise = noise.copy()
    in_noise[147 * 16000 : 153 * 16000] += speech
    rows = [phones(sound, 7500)[147 * 25 : 153 * 25] for sound in (in_silence, in_noise)]
    assert np.abs(rows[0] - alone).max() < 0.02  # the ends of the speech, over which loudness is smoothed
    assert np.abs(rows[1] - alone).mean() < 0.2 * alone.std()


def test_long_sound_is_cut_into_pieces_without_a_seam(monkeypatch, speech):
    sound = np.tile(speech, 3)
    whole = phones(sound, 450)
    monkeypatch.setattr("data_utils.audio_features.hops._CHUNK_FRAMES", 7)
    np.testing.assert_allclose(phones(sound, 450), whole, atol=0.01)


def test_level_and_mean_are_those_of_the_training_part(speech):
    other = speech.copy()
    other[75 * 640 :] = np.cumsum(other[75 * 640 :]) * 0.3
    rows, others = (phones(sound, 150, fit_frames=75) for sound in (speech, other))
    np.testing.assert_array_equal(others[:71], rows[:71])  # deltas and posteriors of frame 72 reach beyond the seam
    assert np.abs(phones(other, 150)[:71] - phones(speech, 150)[:71]).max() > 0.05


def test_extract_makes_one_row_a_frame(speech):
    assert EXTRACTORS["phones"].shape == (DIMENSION,)
    np.testing.assert_array_equal(extract("phones", speech, 150), phones(speech, 150))


def test_the_package_is_read_but_not_imported(speech):
    phones(speech, 10)
    assert "pocketsphinx" not in sys.modules


def test_five_minutes_take_a_few_seconds(speech):
    began = time.process_time()
    phones(np.tile(speech, 50), 7500)
    assert time.process_time() - began < 20  # of one core; 4 s where it was written
