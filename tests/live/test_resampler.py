import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from live.pcm import RATES, check_rate, mono, to_int16
from live.resampler import Resampler
from tests.live.speech import cut


def resampled(sound, source, target, sizes="all"):
    resampler = Resampler(source, target)
    return np.concatenate([*(resampler.push(piece) for piece in cut(sound, sizes)), resampler.finish()])


def tone(rate, hertz=440.0, seconds=0.48):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("target", [16_000, 48_000])
def test_a_tone_stays_where_it_was(rate, target):
    found = resampled(tone(rate), rate, target)
    assert len(found) == round(0.48 * target)
    np.testing.assert_allclose(found[500:-500], tone(target)[500:-500], atol=1e-3)


@pytest.mark.parametrize(("rate", "target"), [(44_100, 16_000), (24_000, 48_000), (48_000, 16_000), (16_000, 16_000)])
@pytest.mark.parametrize("sizes", [1, "random", 441])
def test_cuts_change_nothing(rate, target, sizes):
    sound = np.random.default_rng(0).normal(0, 0.1, 9001).astype(np.float32)
    assert np.array_equal(resampled(sound, rate, target, sizes), resampled(sound, rate, target))


def test_what_the_lower_rate_cannot_hold_is_gone():
    assert np.abs(resampled(tone(48_000, 9_000), 48_000, 16_000)[200:-200]).max() < 1e-3


def test_samples_come_within_milliseconds():
    for rate in RATES:
        resampler, given = Resampler(rate, 48_000), 0
        for number in range(50):
            given += len(resampler.push(np.zeros(rate // 25, np.float32)))
            assert given + resampler.lag >= (number + 1) * 1920 and resampler.lag <= 0.004 * 48_000


def test_sixteen_bits_come_out_as_they_went_in():
    sound = np.arange(-(2**15), 2**15).astype(np.int16)
    assert np.array_equal(to_int16(mono(sound)), sound)
    assert np.array_equal(to_int16(mono(sound.tobytes())), sound)


def test_channels_are_mixed():
    sound = np.array([[0.5, -0.5], [0.2, 0.4]], np.float32)
    np.testing.assert_allclose(mono(sound), [0, 0.3], atol=1e-7)
    np.testing.assert_allclose(mono(sound.reshape(-1), 2), [0, 0.3], atol=1e-7)


def test_what_is_not_finite_is_silent_or_loud():
    assert mono(np.array([np.nan, np.inf, -np.inf, 3.0])).tolist() == [0, 1, -1, 1]


@pytest.mark.parametrize(
    "pcm",
    [
        np.zeros(4, np.uint8), np.zeros(4, complex), np.zeros((2, 9), np.int16), np.zeros((2, 2, 2), np.float32),
        np.float32(1), b"abc", "sound", None, [0.1, 0.2], np.array(["a"]),
    ],
)  # fmt: skip
def test_what_is_no_pcm_is_refused_in_one_line(pcm):
    with pytest.raises(EGSTalkerError) as error:
        mono(pcm)
    assert "\n" not in str(error.value)


def test_half_a_frame_of_channels_is_refused():
    with pytest.raises(EGSTalkerError, match="3 samples are not those of 2 channels"):
        mono(np.zeros(3, np.int16), 2)


@pytest.mark.parametrize("rate", [0, -1, 12345, 10**9, 16000.5, "16000", None, float("nan"), True])
def test_odd_rates_are_refused(rate):
    with pytest.raises(EGSTalkerError, match="Hz is not taken"):
        check_rate(rate)
