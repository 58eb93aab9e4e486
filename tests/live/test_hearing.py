"""What is heard as it comes is what is heard in one piece, however the sound is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from data_utils.audio_features import extract
from data_utils.audio_features.log_mel_phones import voice_scale
from data_utils.voice import speech_share
from live.features import ROW_DELAY, FeatureStream
from live.hearing import DELAY, Hearing, PcmHearing
from live.voice_tracker import VoiceTracker, usual_scale
from tests.live.speech import CODES, cut, model_of, syllables

SOUND = syllables(1.63)
FRAMES = -(-len(SOUND) // 640)
SCALE = voice_scale(SOUND)


def rows_of(pieces, extractor="log_mel_phones", voice=None):
    stream = FeatureStream(extractor, voice or VoiceTracker(SCALE, follows=False))
    heard = [one for piece in pieces for one in stream.push(piece)] + stream.finish()
    return np.stack([one.features for one in heard]), np.array([one.activity for one in heard])


def codes_of(pieces, voice, model=None):
    hearing = Hearing(model or model_of(), voice)
    said = [one for piece in pieces for one in hearing.push(piece)] + hearing.finish()
    return torch.stack([one.code for one in said])


@pytest.mark.parametrize("extractor", ["log_mel_phones", "log_mel", "phones"])
def test_rows_are_those_of_the_whole_recording(extractor):
    rows, activity = rows_of(cut(SOUND, "random"), extractor)
    np.testing.assert_allclose(rows, extract(extractor, SOUND, FRAMES), atol=1e-4)
    np.testing.assert_allclose(activity, speech_share(SOUND, FRAMES), atol=1e-4)
    assert 0.2 < activity.mean() < 0.8


@pytest.mark.parametrize("sizes", ["all", "random", 1])
def test_codes_are_those_of_the_whole_recording(sizes):
    model = model_of()
    features = torch.from_numpy(extract("log_mel_phones", SOUND, FRAMES))
    whole = model(features, torch.from_numpy(speech_share(SOUND, FRAMES)))
    codes = codes_of(cut(SOUND, sizes), VoiceTracker(SCALE, follows=False), model)
    assert codes.shape == (FRAMES, CODES) and whole.std(0).min() > 0.1
    torch.testing.assert_close(codes, whole, atol=1e-4, rtol=0)


def test_long_pauses_end_in_rest_as_in_the_whole_recording(unchecked):
    sound = np.concatenate([SOUND, np.zeros(16_000 * 5, np.float32), SOUND[:8_000]])
    frames, model, scale = -(-len(sound) // 640), model_of(), voice_scale(sound)
    activity = torch.from_numpy(speech_share(sound, frames))
    whole = model(torch.from_numpy(extract("log_mel_phones", sound, frames)), activity)
    codes = codes_of(cut(sound, 640), VoiceTracker(scale, follows=False), model)
    torch.testing.assert_close(codes, whole, atol=1e-4, rtol=0)
    torch.testing.assert_close(codes[150], model.rest, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sizes", ["all", 1])
def test_an_adaptive_scale_does_not_depend_on_the_cuts(sizes, unchecked):
    rows = [rows_of(pieces, voice=VoiceTracker()) for pieces in (cut(SOUND, "random"), cut(SOUND, sizes))]
    assert np.array_equal(rows[0][0], rows[1][0]) and np.array_equal(rows[0][1], rows[1][1])


def test_the_future_changes_nothing_that_was_said(unchecked):
    other = SOUND.copy()
    other[20_000:] = 0.3
    for voice in (VoiceTracker(), VoiceTracker(SCALE, follows=False)):
        codes = [codes_of([sound], VoiceTracker(SCALE, follows=voice._follows)) for sound in (SOUND, other)]
        assert torch.equal(codes[0][: 31 - DELAY], codes[1][: 31 - DELAY])
        assert not torch.allclose(codes[0][31:], codes[1][31:])


def test_a_frame_is_known_after_its_look_ahead_and_no_later():
    stream, hearing = FeatureStream("log_mel_phones", VoiceTracker()), Hearing(model_of())
    rows = np.cumsum([len(stream.push(SOUND[at : at + 640])) for at in range(0, 640 * 20, 640)])
    codes = np.cumsum([len(hearing.push(SOUND[at : at + 640])) for at in range(0, 640 * 20, 640)])
    assert ROW_DELAY * 40 == 80 and DELAY * 40 == 160
    assert rows.tolist() == [max(0, n + 1 - ROW_DELAY) for n in range(20)]
    assert codes.tolist() == [max(0, n + 1 - DELAY) for n in range(20)]


@pytest.mark.parametrize("gain", [0.1, 1.0, 2.0])
def test_the_scale_of_any_voice_is_found_without_a_jump(gain, unchecked):
    sound = gain * syllables(15, seed=1)
    voice, known = VoiceTracker(), voice_scale(sound)
    stream, levels = FeatureStream("log_mel", voice), []
    for at in range(0, len(sound), 640):
        stream.push(sound[at : at + 640])
        levels.append(voice.scale.speech.level)
    assert voice.scale.speech.level == pytest.approx(known.speech.level, rel=0.2)
    assert np.abs(np.log(voice.scale.spectrum / known.spectrum))[5:70].mean() < 0.4
    assert np.abs(voice.scale.cepstrum - known.cepstrum).mean() < 0.4
    assert np.abs(np.diff(np.log(levels))).max() < 0.2


def test_silence_teaches_nothing():
    voice = VoiceTracker()
    FeatureStream("log_mel", voice).push(np.zeros(64_000, np.float32))
    assert voice.scale.speech.level == pytest.approx(usual_scale().speech.level)
    np.testing.assert_allclose(voice.scale.spectrum, usual_scale().spectrum)


@pytest.mark.parametrize("sizes", ["all", "random"])
def test_sound_of_another_rate_is_heard_the_same_however_cut(sizes, unchecked):
    sound = syllables(1.5, 24_000)
    codes = []
    for pieces in (cut(sound, 480), cut(sound, sizes)):
        hearing = PcmHearing(model_of(), 24_000)
        codes.append(torch.cat([*(hearing.push(piece) for piece in pieces), hearing.finish()]))
    assert len(codes[0]) == 38
    torch.testing.assert_close(codes[0], codes[1], atol=1e-4, rtol=0)


def test_nothing_gives_nothing():
    hearing = PcmHearing(model_of())
    assert hearing.push(np.zeros(0, np.int16)).shape == hearing.finish().shape == (0, CODES)


@pytest.mark.parametrize("extractor", [None, "wav2vec2"])
def test_features_of_whole_recordings_are_refused_in_one_line(extractor):
    model = model_of()
    object.__setattr__(model.settings, "extractor", extractor)
    with pytest.raises(EGSTalkerError, match=r"live use takes log_mel_phones, log_mel, phones") as error:
        Hearing(model)
    assert "\n" not in str(error.value)
