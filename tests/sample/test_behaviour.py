from __future__ import annotations

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from arguments.errors import EGSTalkerError
from sample import make_sample
from sample.behaviour import Behaviour
from sample.parts import COVER
from sample.people import PEOPLE, person
from sample.performance import FPS, HELD_OUT, blink_times, perform
from sample.recording import prepare


def yaw_of(performance):
    return np.degrees(np.arctan2(performance.rotation[:, 0, 2], performance.rotation[:, 2, 2]))


def test_the_usual_person_acts_as_ever():
    """Known digests: the demo's film and what is quoted of it stay the same whatever people are added."""
    act = perform(60)
    assert hashlib.sha256(act.sound.tobytes()).hexdigest()[:16] == "c01d840ef654cc92"
    assert np.array_equal(perform(60, behaviour=PEOPLE["usual"].behaviour).rotation, act.rotation)


@pytest.mark.parametrize("seed", range(2))
def test_fast_turns_are_twenty_five_degrees_in_a_third_of_a_second(seed):
    yaw = yaw_of(perform(300, seed, Behaviour(turns="fast")))
    within = np.abs(yaw[8:] - yaw[:-8])  # 0.32 s
    assert (within > 20).any() and within.max() < 32
    begins = np.flatnonzero((within[1:] > 15) & (within[:-1] <= 15))
    assert len(begins) >= 5  # in 12 s


@pytest.mark.parametrize("seed", range(2))
def test_wide_turns_go_to_sixty_degrees_and_back_and_no_faster_than_people(seed):
    yaw = yaw_of(perform(300, seed, Behaviour(turns="wide")))
    assert 55 < np.abs(yaw).max() < 66
    assert np.abs(yaw).min() < 3
    assert yaw.max() > 50 and yaw.min() < -50
    assert np.abs(np.diff(yaw)).max() * FPS < 130


@pytest.mark.parametrize("per_minute", [9.0, 17.0, 30.0])
def test_blinks_are_as_rare_as_asked_and_two_are_held_out(per_minute):
    middles = np.concatenate([blink_times(40, np.random.default_rng(seed), per_minute) for seed in range(4)])
    before = middles < 40 * (1 - HELD_OUT)
    assert before.sum() / 4 / (40 * (1 - HELD_OUT)) * 60 == pytest.approx(per_minute, rel=0.2)
    assert (~before).sum() == 8


def test_a_raised_hand_hides_a_part_of_the_face_for_a_second_or_so():
    sample = prepare(12, 128, behaviour=Behaviour(hand=True))
    path = sample.performance.hand
    assert path is not None
    starts = np.flatnonzero(path.raised[1:] & ~path.raised[:-1])
    assert len(starts) >= 3
    still = prepare(12, 128)
    up = [int(np.argmax(path.translation[:, 1])), int(np.flatnonzero(~path.raised)[0])]
    for index, covered in zip(up, (True, False), strict=True):
        picture, labels = sample.draw(index)
        assert sample.covered(index, labels) is covered
        assert (labels == COVER).any() == covered
        plain, own = still.draw(index)
        elsewhere = ~binary_dilation(labels == COVER)  # the pixels along its edge are of both
        assert np.array_equal(picture[elsewhere], plain[elsewhere])
        assert np.array_equal(labels[elsewhere], own[elsewhere])


@pytest.mark.parametrize(("asked", "rate"), [(15, Fraction(15)), (29.97, Fraction(30000, 1001)), (60, Fraction(60))])
def test_a_film_of_another_rate_shows_the_same_moments(tmp_path, asked, rate):
    truth = np.load(make_sample(tmp_path / "film.mp4", 1.2, 128, behaviour=Behaviour(fps=asked)))
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert container.streams.video[0].average_rate == rate
        assert sum(1 for _ in container.decode(video=0)) == len(truth["times"]) == round(1.2 * rate)
    assert truth["times"][-1] == pytest.approx((len(truth["times"]) - 1) / float(rate))
    speed = np.abs(np.diff(yaw_of(perform(round(4 * rate), behaviour=Behaviour(fps=asked))))) * float(rate)
    assert speed.max() < 40  # degrees a second, at every rate


@pytest.mark.parametrize("wrong", [{"turns": "round"}, {"blinks_per_minute": 0.0}, {"fps": 1000.0}])
def test_what_nobody_does_is_one_clear_error(wrong):
    with pytest.raises(EGSTalkerError, match="choose"):
        Behaviour(**wrong)


def test_an_unknown_person_is_one_clear_error():
    with pytest.raises(EGSTalkerError, match="fast_turns"):
        person("nobody")
