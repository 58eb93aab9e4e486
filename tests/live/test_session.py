"""Sound and picture of a session: content, order and step, whatever comes in and whenever."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from data_utils.audio_features.log_mel_phones import voice_scale
from live.hearing import DELAY, Hearing
from live.moment import SOUND_SAMPLES
from live.pcm import mono, to_int16
from live.resampler import Resampler
from live.session import Session
from live.speaking import CLOSING
from live.voice_tracker import VoiceTracker
from tests.live.speech import cut, model_of, syllables
from tests.live.stage import Mouth, events_of, gap_of, sound_of, steps

REST = -2.5


def pcm(seconds, rate=48_000, seed=0):
    return to_int16(syllables(seconds, rate, seed))


def gaps(moments):
    return np.array([gap_of(moment.picture) for moment in moments])


@pytest.mark.parametrize("sizes", ["all", "random", 960])
def test_the_sound_that_goes_in_comes_out_later_by_a_constant(sizes):
    session, sound = Session(Mouth()), pcm(1.0)
    for piece in cut(sound, sizes):
        assert session.speak(piece, 48_000) == 1
    session.end()
    heard = sound_of(steps(session, 40))
    assert np.array_equal(heard[DELAY * SOUND_SAMPLES :][: len(sound)], sound)
    assert not heard[: DELAY * SOUND_SAMPLES].any() and not heard[DELAY * SOUND_SAMPLES + len(sound) :].any()


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_other_rates_are_resampled_and_nothing_else(rate):
    session, sound = Session(Mouth()), pcm(1.01, rate)
    session.speak(sound, rate)
    session.end()
    resampler = Resampler(rate, 48_000)
    expected = to_int16(np.concatenate([resampler.push(mono(sound)), resampler.finish()]))
    heard = sound_of(steps(session, 40))[DELAY * SOUND_SAMPLES + resampler.lag :]
    assert resampler.lag <= 0.002 * 48_000
    assert np.array_equal(heard[: len(expected)], expected) and not heard[len(expected) :].any()


def test_utterances_follow_each_other_in_order():
    session = Session(Mouth())
    for seed, length in enumerate((48_000, 1_000, 24_000)):
        assert session.speak(pcm(1.0, seed=seed)[:length], 48_000) == seed + 1
        session.end()
    moments = steps(session, 60)
    assert events_of(moments) == [
        ("started", 1, 0, 4), ("finished", 1, 1000, 28), ("started", 2, 0, 29), ("finished", 2, 21, 29),
        ("started", 3, 0, 30), ("finished", 3, 500, 42),
    ]  # fmt: skip
    said = [moment.utterance for moment in moments]
    assert said == [None] * 4 + [1] * 25 + [2] + [3] * 13 + [None] * 17
    assert [moment.frame for moment in moments] == list(range(60))


def test_the_end_may_be_said_late():
    session = Session(Mouth())
    session.speak(pcm(1.0)[: 10 * SOUND_SAMPLES], 48_000)
    begun = steps(session, 30)
    assert [kind for kind, *_ in events_of(begun)] == ["started"]
    session.end()
    assert events_of(steps(session, 6)) == [("finished", 1, 400, 30)]
    session.speak(pcm(0.1, 16_000), 16_000)  # resampled sound comes a little later, and its end with it
    session.speak(np.zeros(960, np.int16), 16_000)
    steps(session, 30)
    session.end()
    assert events_of(steps(session, 6))[0][:3] == ("finished", 2, 160)


def test_flash_and_click_come_together():
    """Bursts of 40 ms at odd times: the mouth is widest in the frames that are loudest."""
    sound, bursts = np.zeros(48_000 * 6, np.int16), [9, 22, 41, 47, 80, 101, 130]
    noise = (np.random.default_rng(0).normal(0, 3000, SOUND_SAMPLES)).clip(-9000, 9000).astype(np.int16)
    for frame in bursts:
        sound[frame * SOUND_SAMPLES :][:SOUND_SAMPLES] = noise
    session = Session(Mouth())
    for piece in cut(sound, 1234):
        session.speak(piece, 48_000)
    moments = steps(session, 155)
    level = np.array([np.abs(moment.sound.astype(float)).mean() for moment in moments])
    loud = np.flatnonzero(level > 500)
    open_ = np.sort(np.argsort(gaps(moments))[-len(bursts) :])
    assert loud.tolist() == open_.tolist() == [frame + DELAY for frame in bursts]


def test_codes_are_those_of_the_sound_that_is_heard_beside_them():
    sound = syllables(1.0)
    scale, model = voice_scale(sound), model_of()
    voice = Session(Mouth(model), voice=scale)
    voice._speaking._voice = VoiceTracker(scale, follows=False)
    voice.speak(sound, 16_000)
    voice.end()
    moments = steps(voice, 25 + DELAY)
    hearing = Hearing(model, VoiceTracker(scale, follows=False))
    silence = np.zeros(DELAY * 640, np.float32)
    said = [one for piece in (silence, sound, silence) for one in hearing.push(piece)]
    expected = np.array([float(one.code[0]) for one in said])
    np.testing.assert_allclose(gaps(moments), expected[: len(moments)], atol=1e-5)


def test_a_picture_sees_the_codes_around_it_and_idle_ones_among_them():
    mouth = Mouth()
    session = Session(mouth)
    session.speak(pcm(1.0), 48_000)
    steps(session, 30)
    for before, now in itertools.pairwise(mouth.looks):
        assert torch.equal(before.codes[1], now.codes[0])
        assert now.codes[:, 2].tolist()[1:] == [7.0, 7.0]
    following = np.array([[look.codes[2, 0], after.codes[1, 0]] for look, after in itertools.pairwise(mouth.looks)])
    assert np.abs(np.diff(following, axis=1)).mean() < 0.2 * following[:, 1].std()


@pytest.mark.parametrize("at", [4, 5, 13, 27])
def test_an_interruption_is_silent_at_once_and_closed_in_five_frames(at):
    session = Session(Mouth())
    session.speak(pcm(3.0), 48_000)
    session.end()
    session.speak(pcm(3.0, seed=1), 48_000)
    before = steps(session, at)
    session.interrupt()
    after = steps(session, 20)
    assert not sound_of(after).any()
    np.testing.assert_allclose(gaps(after)[CLOSING:], REST, atol=1e-5)
    path = np.concatenate([gaps(before)[-1:], gaps(after)])
    assert (np.diff(np.abs(path - REST)) <= 1e-5).all()  # it only closes
    played = (at - DELAY) * 40
    started = [("started", 1, 0, 4)] if at > DELAY else []
    assert events_of(before) == started
    assert events_of(after) == [("interrupted", 1, max(played, 0), at), ("interrupted", 2, 0, at)]


def test_what_is_said_after_an_interruption_is_new():
    session = Session(Mouth())
    session.speak(pcm(3.0), 48_000)
    steps(session, 10)
    session.interrupt()
    sound = pcm(0.4, seed=3)
    assert session.speak(sound, 48_000) == 2
    session.end()
    heard = sound_of(steps(session, 20))
    assert np.array_equal(heard[DELAY * SOUND_SAMPLES :][: len(sound)], sound) and not heard[len(sound) + 7680 :].any()


def test_an_interruption_of_nothing_is_nothing():
    session = Session(Mouth())
    session.interrupt()
    session.end()
    moments = steps(session, 5)
    assert not events_of(moments) and np.allclose(gaps(moments), REST)


def test_late_sound_goes_on_where_it_stopped():
    session, sound = Session(Mouth()), pcm(1.2)
    heard, moments = [], []
    session.speak(sound[:20_000], 48_000)
    moments += steps(session, 40)
    session.speak(sound[20_000:], 48_000)
    session.end()
    moments += steps(session, 40)
    heard = sound_of(moments)
    end = (DELAY + 11) * SOUND_SAMPLES
    assert np.array_equal(heard[end - 20_000 : end], sound[:20_000])  # what is there ends with a frame
    again = next(m.frame for m in moments if m.frame > 15 and m.utterance == 1) * SOUND_SAMPLES
    assert np.array_equal(heard[again:][: len(sound) - 20_000], sound[20_000:])
    assert not heard[: end - 20_000].any() and not heard[end:again].any()
    assert [one[:3] for one in events_of(moments)] == [("started", 1, 0), ("finished", 1, 1200)]
    paused = gaps(moments)[19 : again // SOUND_SAMPLES - 2]
    assert paused.max() < gaps(moments)[4:14].max() - 0.5


@pytest.mark.parametrize("rate", [48_000, 16_000, 22_050])
def test_sound_in_real_time_waits_for_no_rest_of_a_frame(rate):
    """Pieces of 10 ms, three of which are there when the first frame is due, and four more with each later one."""
    session, size = Session(Mouth()), rate // 100
    sound, moments = pcm(2.0, rate), []
    pieces = iter(cut(sound, size))
    for frame in range(45):
        for _ in range(3 if frame == 0 else 4):
            session.prepare()
            session.speak(next(pieces), rate)
        moments.append(session.step())
    said = [moment.utterance for moment in moments]
    assert said == [None] * DELAY + [1] * 41
    if rate == 48_000:
        heard = sound_of(moments)[DELAY * SOUND_SAMPLES :]
        lead = SOUND_SAMPLES - 3 * size
        assert not heard[:lead].any() and np.array_equal(heard[lead:], sound[: len(heard) - lead])


def test_sound_that_is_a_little_late_costs_as_much_as_it_is_late():
    session, sound, moments = Session(Mouth()), pcm(1.0), []
    sizes = [1920, 1920, 1440, 2400, 1920, 1920]
    for begin, end in itertools.pairwise([0, *itertools.accumulate(sizes)]):
        session.speak(sound[begin:end], 48_000)
        moments.append(session.step())
    session.end()
    heard = sound_of(moments + steps(session, 10))[DELAY * SOUND_SAMPLES :]
    stop = 2 * 1920
    assert np.array_equal(heard[:stop], sound[:stop]) and not heard[stop : stop + 480].any()
    rest = sum(sizes) - stop
    assert np.array_equal(heard[stop + 480 :][:rest], sound[stop:][:rest]) and not heard[stop + 480 + rest :].any()


def test_what_is_done_ahead_changes_nothing():
    sessions = Session(Mouth(model_of("log_mel"))), Session(Mouth(model_of("log_mel")))
    moments = []
    for eager, session in enumerate(sessions):
        session.speak(pcm(0.7), 48_000)
        session.end()
        for frame in range(30):
            for _ in range(eager * ((frame + 1) % 3)):
                session.prepare()
            if frame == 12:
                session.interrupt()
                session.speak(pcm(0.3, seed=1), 48_000)
            moments.append(session.step())
    for lazy, eager in zip(moments[:30], moments[30:], strict=True):
        assert np.array_equal(lazy.sound, eager.sound)
        assert gap_of(lazy.picture) == pytest.approx(gap_of(eager.picture), abs=0 if lazy.frame < 12 else 0.1)
        assert lazy.events == eager.events and lazy.utterance == eager.utterance


def test_pictures_left_out_change_no_other():
    sessions = Session(Mouth(model_of("log_mel"))), Session(Mouth(model_of("log_mel")))
    moments = []
    for number, session in enumerate(sessions):
        session.speak(pcm(1.0), 48_000)
        moments.append([session.step(picture=number == 0 or frame % 3 == 0) for frame in range(30)])
    for whole, part in zip(*moments, strict=True):
        assert np.array_equal(whole.sound, part.sound) and whole.frame == part.frame
        assert part.picture is None or np.array_equal(whole.picture, part.picture)
    assert sum(moment.picture is None for moment in moments[1]) == 20


def test_more_than_ten_minutes_are_refused_and_the_session_goes_on():
    session = Session(Mouth())
    session.speak(np.zeros(8_000 * 599, np.int16), 8_000)
    with pytest.raises(EGSTalkerError, match=r"601 s of speech would wait to be said, and 600 may"):
        session.speak(np.zeros(8_000 * 2, np.int16), 8_000)
    steps(session, 30)
    session.speak(np.zeros(8_000, np.int16), 8_000)


@pytest.mark.parametrize(
    ("sound", "rate", "channels"),
    [
        (np.zeros(10, np.uint8), 16_000, 1), (b"odd", 16_000, 1), (np.zeros(3, np.int16), 16_000, 2),
        (np.zeros(10, np.int16), 7, 1), (np.zeros(10, np.int16), 24_000, 1), ("words", 16_000, 1), (None, 16_000, 1),
        (np.zeros(10, np.int16), 16_000, 0), (np.array(["a"]), 16_000, 1), (np.zeros((2, 3, 4)), 16_000, 1),
    ],
)  # fmt: skip
def test_hostile_sound_is_refused_in_one_line_and_harms_nothing(sound, rate, channels):
    session, good = Session(Mouth()), pcm(0.4, 16_000)
    session.speak(good, 16_000)
    with pytest.raises(EGSTalkerError) as error:
        session.speak(sound, rate, channels)
    assert "\n" not in str(error.value)
    session.end()
    moments = steps(session, 20)
    assert events_of(moments)[-1][:3] == ("finished", 1, 400)


def test_harmless_oddities_are_taken():
    session = Session(Mouth())
    assert session.speak(b"", 16_000) == session.speak(np.zeros((0, 2), np.float32), 16_000) == 1
    session.end()
    assert not events_of(steps(session, 3))
    odd = np.array([np.nan, np.inf, -np.inf, 1e30] * 1000)
    session.speak(odd, 16_000)
    session.speak(np.zeros((7, 2), np.int16), 16_000)
    session.end()
    moments = steps(session, 30)
    assert events_of(moments)[-1][:3] == ("finished", 1, round(4007 / 16))
    assert events_of(moments)[0][0] == "started"
    assert np.isfinite(gaps(moments)).all()


def test_an_hour_does_not_drift_and_keeps_nothing(unchecked):
    session, resident = Session(Mouth()), []
    sound, frames = pcm(2.0), 25 * 3600
    expected = np.zeros(0)
    for frame in range(frames):
        if frame % 15_000 == 14_000:
            session.speak(sound, 48_000)
            session.end()
            expected = np.concatenate([expected, [frame + DELAY]])
        moment = session.step(picture=frame % 25 == 0 or frame > frames - 1000)
        assert moment.frame == frame
        for event in moment.events:
            if event.kind == "started":
                assert frame == expected[-1] and np.array_equal(moment.sound, sound[:SOUND_SAMPLES])
        if frame % 15_000 == 5_000:
            resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
    assert len(expected) == 6
    assert resident[-1] - resident[1] < 8 * 2**20
