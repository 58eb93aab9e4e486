import numpy as np
import pytest

from data_utils.audio_features.speech_activity import speech_activity


def tone(seconds, decibels):
    """Of 1 kHz, with a root mean square of so many dBFS."""
    time = np.arange(int(seconds * 16000)) / 16000
    return (10 ** (decibels / 20) * np.sqrt(2) * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)


def decibels(samples):
    return 20 * np.log10(speech_activity(samples).level)


def test_the_level_is_that_of_the_tone_whatever_is_around_it():
    silence = np.zeros(20 * 16000, np.float32)
    for around in (silence, tone(20, -62), tone(20, -45)):
        found = speech_activity(np.concatenate([around, tone(2, -20), around]))
        assert 20 * np.log10(found.level) == pytest.approx(-20, abs=0.2)
        assert found.active[2005:2195].all() and not found.active[:1990].any() and not found.active[2210:].any()


def test_quiet_speech_has_its_level_and_a_room_the_usual_one():
    assert decibels(tone(2, -40)) == pytest.approx(-40, abs=0.2)
    assert decibels(tone(2, -62)) == decibels(np.zeros(32000, np.float32)) == pytest.approx(-26, abs=0.1)
    assert not speech_activity(tone(2, -62)).active.any()


def test_a_pause_is_no_part_of_the_speech_and_a_softer_word_is():
    found = speech_activity(np.concatenate([tone(1, -20), tone(1, -30), tone(1, -50)]))
    assert found.active[:195].all() and not found.active[205:].any()
    assert 10 * np.log10(found.level**2) == pytest.approx(10 * np.log10((10**-2 + 10**-3) / 2), abs=0.2)


@pytest.mark.parametrize("decibels", [20, 14, 10, 7])
def test_a_pause_full_of_steady_noise_is_one(decibels):
    speech = np.concatenate([tone(1, -20), tone(1, -26), np.zeros(16000, np.float32)] * 3)
    hiss = np.random.default_rng(0).normal(0, 10 ** ((-22 - decibels) / 20), len(speech)).astype(np.float32)
    found = speech_activity(speech + hiss)
    for start in (0, 300, 600):
        assert found.active[start + 5 : start + 195].all() and not found.active[start + 205 : start + 295].any()
    assert 20 * np.log10(found.level) == pytest.approx(20 * np.log10(speech_activity(speech).level), abs=1.0)


def test_a_steady_voice_is_no_noise():
    assert speech_activity(tone(5, -20)).active.all()


def test_a_click_is_no_voice():
    quiet = tone(5, -35)
    clicked = quiet.copy()
    clicked[40000:40300] = 0.9
    assert decibels(clicked) == pytest.approx(decibels(quiet), abs=0.2)
    assert not speech_activity(clicked).active[250:252].any()


def test_a_word_alone_in_a_room_does_not_make_the_room_a_voice():
    word = tone(0.2, -20) * np.linspace(1, 0.03, 3200, dtype=np.float32)
    assert decibels(np.concatenate([tone(5, -62), word, tone(5, -62)])) > -30


@pytest.mark.parametrize("length", [0, 1, 159, 160, 700])
def test_hardly_any_sound_has_a_level(length):
    found = speech_activity(tone(1, -20)[:length])
    assert len(found.active) == length // 160 and 0.03 < found.level <= 0.11
