"""Real time: what is slow costs pictures, never sound, and never the step of both."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from live.clock import LONGEST_STALL, Clock
from live.hearing import DELAY
from live.moment import SOUND_SAMPLES
from live.session import Session
from tests.live.stage import Mouth, gap_of, sound_of
from tests.live.test_session import pcm

pytestmark = pytest.mark.usefixtures("unchecked")


class Time:
    """A clock of which tests say how it goes."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds

    def pass_(self, seconds):
        self.seconds += seconds


def run(count, render=0.0, consume=lambda frame: 0.0, mouth=None):
    """So many moments of a session that speaks, and when each was given out."""
    now = Time()
    session = Session(mouth or Mouth(before=lambda: now.pass_(render)))
    session.speak(pcm(count / 25), 48_000)
    moments, times = [], []

    def sink(moment):
        moments.append(moment)
        times.append(now() - 100.0)
        now.pass_(consume(moment.frame))
        if len(moments) == count:
            clock._stopped.set()

    clock = Clock(session, sink, now=now, wait=now.pass_)
    clock.run()
    return moments, np.array(times)


def pictured(moments):
    return np.array([moment.picture is not None for moment in moments])


def whole(moments):
    """Whether the sound is what was said, from its begin on."""
    sound = sound_of(moments)[DELAY * SOUND_SAMPLES :]
    return np.array_equal(sound, pcm(len(moments) / 25)[: len(sound)]) and [m.frame for m in moments] == list(
        range(len(moments))
    )


def test_a_moment_comes_every_40_ms():
    moments, times = run(50, render=0.01)
    assert pictured(moments).all() and whole(moments)
    np.testing.assert_allclose(times, np.arange(50) / 25 + 0.01, atol=1e-9)


@pytest.mark.parametrize("render", [0.045, 0.1, 0.35])
def test_a_slow_renderer_lowers_its_rate_and_nothing_else(render):
    moments, times = run(200, render)
    assert whole(moments)
    assert pictured(moments).sum() == pytest.approx(200 * 0.04 / render, rel=0.15)
    late = times - np.arange(200) / 25
    assert late.max() < render + 0.0401 and late[-50:].max() == pytest.approx(late[50:100].max(), abs=0.04)


def test_pictures_of_a_slow_renderer_are_those_of_their_sound():
    quick, slow = run(100)[0], run(100, 0.1)[0]
    shown = [(gap_of(a.picture), gap_of(b.picture)) for a, b in zip(quick, slow, strict=True) if b.picture is not None]
    assert len(shown) > 30 and np.std([a for a, _ in shown]) > 0.1
    assert all(a == b for a, b in shown)


def test_a_slow_consumer_loses_pictures_and_catches_up():
    moments, times = run(150, consume=lambda frame: 0.45 if frame == 40 else 0.03)
    assert whole(moments) and not pictured(moments)[42:50].all()
    assert pictured(moments)[:41].all() and pictured(moments)[-10:].all()
    assert times[-1] == pytest.approx(149 / 25, abs=0.04)


def test_a_stolen_moment_costs_pictures_only():
    moments, times = run(150, consume=lambda frame: 0.4 if frame == 50 else 0.0)
    assert whole(moments)
    assert (~pictured(moments)).sum() == pytest.approx(10, abs=2)
    late = times - np.arange(150) / 25
    assert late[51] == pytest.approx(0.4 - 0.04, abs=0.01) and np.abs(late[62:]).max() < 1e-6


@pytest.mark.parametrize("seconds", [2.0, 3600.0])
def test_after_a_long_stall_the_session_goes_on_where_it_was_and_time_where_it_is(seconds):
    moments, times = run(60, consume=lambda frame: seconds if frame == 20 else 0.0)
    lost = round(seconds * 25)
    sound = sound_of(moments)[DELAY * SOUND_SAMPLES :]
    assert seconds > LONGEST_STALL and np.array_equal(sound, pcm(60 / 25)[: len(sound)])
    numbers = np.array([moment.frame for moment in moments])
    assert numbers[:21].tolist() == list(range(21)) and np.diff(numbers[21:]).max() == 1
    assert numbers[21] == pytest.approx(21 + lost, abs=2) and pictured(moments)[21:].all()
    np.testing.assert_allclose(times[22:], numbers[22:] / 25, atol=1e-6)  # numbers are the time, as before


def test_it_runs_in_real_time_and_stops_while_others_speak_and_interrupt():
    session, moments = Session(Mouth()), []
    clock = Clock(session, moments.append)
    begin = time.monotonic()
    clock.start()
    stop = threading.Event()

    def talk(seed):
        while not stop.wait(0.01):
            session.speak(pcm(0.05, seed=seed), 48_000)
            if seed == 1:
                session.interrupt()
            else:
                session.end()

    talkers = [threading.Thread(target=talk, args=(seed,)) for seed in range(3)]
    for talker in talkers:
        talker.start()
    time.sleep(1.2)
    stop.set()
    for talker in talkers:
        talker.join()
    clock.close()
    seconds = time.monotonic() - begin
    assert not clock.is_running
    assert len(moments) == pytest.approx(25 * seconds, abs=4)
    assert [moment.frame for moment in moments] == list(range(len(moments)))
    ends = [e.utterance for m in moments for e in m.events if e.kind != "started"]
    assert len(ends) == len(set(ends)) and len(ends) > 20
    count = len(moments)
    time.sleep(0.1)
    assert len(moments) == count


def test_a_sink_that_fails_ends_it_and_close_says_why():
    def sink(moment):
        raise OSError("the line is cut")

    clock = Clock(Session(Mouth()), sink)
    clock.start()
    clock._thread.join(5)
    assert not clock.is_running
    with pytest.raises(EGSTalkerError, match="the session has ended: the line is cut"):
        clock.close()


def test_it_may_be_closed_before_it_began_and_twice():
    clock = Clock(Session(Mouth()), lambda moment: None)
    clock.close()
    clock.close()
