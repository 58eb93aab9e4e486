"""Other takes of the same speech."""

from __future__ import annotations

import numpy as np
import pytest

from data_utils.audio_features.speech_activity import speech_activity
from motion.sound_variants import ROOMS, SPEEDS, sound_variants
from tests.tiny_head import speech_like

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def loudest(samples: np.ndarray) -> float:
    """Hertz of the strongest frequency."""
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * RATE / len(samples))


def power(samples: np.ndarray, low: float, high: float) -> float:
    spectrum = np.square(np.abs(np.fft.rfft(samples)))
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(spectrum[(hertz >= low) & (hertz < high)].sum())


def test_there_is_one_for_each_room_and_each_voice():
    samples = speech_like(1.0)
    variants = list(sound_variants(samples, 0))
    assert [variant.speed for variant in variants] == [1.0] * len(ROOMS) + list(SPEEDS)
    for variant in variants:
        assert variant.samples.dtype == np.float32 and np.isfinite(variant.samples).all()
        assert len(variant.samples) == pytest.approx(len(samples) / variant.speed, abs=1)


def test_a_seed_gives_the_same_noise_and_another_one_other_noise():
    samples = speech_like(0.5)
    first, again, other = (next(iter(sound_variants(samples, seed))).samples for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_noise_lies_as_far_below_the_speech_as_it_says():
    samples = tone(400, 2.0)
    level = speech_activity(samples).level
    for variant, room in zip(sound_variants(samples, 0), ROOMS, strict=False):
        noise = variant.samples - samples - room.tilt * np.concatenate([samples[:1], samples[:-1]])
        assert 20 * np.log10(level / np.sqrt(np.square(noise).mean())) == pytest.approx(room.decibels, abs=0.3)
        by_octaves = 10 * np.log10(power(noise, 200, 400) / power(noise, 3200, 6400))
        assert by_octaves == pytest.approx(40 * np.log10(2) * (room.colour - 1), abs=2)


@pytest.mark.parametrize("room", [0, 1])
def test_a_tilt_changes_highest_against_lowest_frequencies_by_nine_decibels(room):
    samples = tone(100) + tone(7900)
    variant = list(sound_variants(samples, 0))[room].samples
    change = 10 * np.log10(power(variant, 90, 110) / power(variant, 7890, 7910))
    assert change == pytest.approx(np.sign(ROOMS[room].tilt) * 9.5, abs=0.5)


def test_another_speed_moves_pitch_and_time_together():
    first, second = list(sound_variants(np.concatenate([tone(400), tone(800)]), 0))[len(ROOMS) :]
    for variant, speed in ((first, SPEEDS[0]), (second, SPEEDS[1])):
        middle = round(RATE / speed)
        assert loudest(variant.samples[: middle - 200]) == pytest.approx(400 * speed, abs=2)
        assert loudest(variant.samples[middle + 200 :]) == pytest.approx(800 * speed, abs=2)


def test_silence_has_its_takes_too():
    assert all(np.isfinite(variant.samples).all() for variant in sound_variants(np.zeros(3200, np.float32), 0))
