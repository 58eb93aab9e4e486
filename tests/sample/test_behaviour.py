from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from arguments.errors import EGSTalkerError
from sample import make_sample
from sample.__main__ import main
from sample.behaviour import Behaviour, Framing
from sample.cuts import jump_cuts
from sample.parts import COVER
from sample.people import PEOPLE, person
from sample.performance import FPS, HELD_OUT, blink_times, perform
from sample.recording import prepare, truth
from sample.voice import SAMPLE_RATE


def yaw_of(performance):
    return np.degrees(np.arctan2(performance.rotation[:, 0, 2], performance.rotation[:, 2, 2]))


def test_the_usual_person_acts_as_ever():
    """Known samples: the demo's film and what is quoted of it stay the same whatever people are added."""
    act = perform(60)
    known = [0, -0.0055698, 0.1078087, -0.0006215, 0.0925982, -0.0343404, 0.1583005, 0.1803184, 0.0039112, -0.0392707]
    np.testing.assert_allclose(act.sound[:35_000:3_500], known, atol=1e-5)  # processors differ in the last digits
    assert act.sound.std() == pytest.approx(0.1233562, abs=1e-5)
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


def test_an_unknown_person_is_one_clear_error(tmp_path, monkeypatch, capsys):
    with pytest.raises(EGSTalkerError, match="fast_turns"):
        person("nobody")
    monkeypatch.setattr("sys.argv", ["sample", str(tmp_path / "a.mp4"), "--person", "nobody"])
    assert main() == 1
    assert "nobody is called 'nobody'" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_command_films_the_person_it_is_asked_for(tmp_path, monkeypatch):
    film = str(tmp_path / "a.mp4")
    monkeypatch.setattr("sys.argv", ["sample", film, "--person", "phone", "--seconds", "1", "--size", "128"])
    assert not main()
    truth = np.load(tmp_path / "a_truth.npz")
    assert truth["mask"].shape == (30, 228, 128) and truth["focal"] == 1.5 * 128
    assert truth["background"].shape == (228, 128, 3)


def test_jump_cuts_leave_the_end_whole_and_keep_the_frames_sound():
    whole, cut = perform(375, 1), perform(300, 1, Behaviour(cuts="jump"))
    assert len(cut.times) == len(cut.expressions) == len(cut.rotation) == 300
    assert len(cut.sound) == 300 * SAMPLE_RATE // FPS
    kept = jump_cuts(300, FPS, np.random.default_rng(0))
    gaps = np.diff(kept) - 1
    assert (gaps > 0).sum() >= 3 and 0 < gaps.sum() <= 75
    assert not gaps[250:].any()
    step = np.abs(np.diff(yaw_of(cut)))
    assert step.max() > 2 * np.abs(np.diff(yaw_of(whole))).max()  # the head leaps where a piece is missing


def test_another_scene_is_shown_for_a_small_part_and_never_at_the_end():
    sample = prepare(12, 128, behaviour=Behaviour(cuts="scene"))
    away = sample.performance.away
    assert away is not None and 0.05 < away.mean() < 0.15 and not away[250:].any()
    assert not truth(sample)["present"][away].any()
    (elsewhere, nobody), (here, someone) = (
        sample.draw(int(np.flatnonzero(away == there)[0])) for there in (True, False)
    )
    assert not nobody.any() and someone.any()
    assert np.abs(elsewhere.astype(int) - here).mean() > 20


def test_light_changes_the_face_and_the_room():
    sample = prepare(8, 128, behaviour=Behaviour(light="changing"))
    light = sample.performance.light
    assert light is not None and np.ptp(light[:, 0]) > 0.3 and np.ptp(light[:, 1]) > 0.5
    bright, dim = int(np.argmax(light.sum(1))), int(np.argmin(light.sum(1)))
    (one, labels), (other, _) = sample.draw(bright), sample.draw(dim)
    room = (labels == 0) & (sample.draw(dim)[1] == 0)
    assert one[room].mean() > 1.1 * other[room].mean()
    assert one[55:70, 55:70].mean() > 1.1 * other[55:70, 55:70].mean()  # the face
    assert "background" not in truth(sample)


def test_noise_is_as_strong_as_asked():
    calm, noisy = (prepare(1, 128, behaviour=Behaviour(noise=noise)).draw(0)[0].astype(float) for noise in (0.0, 9.0))
    assert (noisy - calm).std() == pytest.approx(9.0, rel=0.1)


def test_a_framing_puts_the_person_where_it_says():
    framing = Framing(16 / 9, distance=5.0, across=0.8, focal=1.2)
    sample = prepare(1, 144, behaviour=Behaviour(framing=framing))
    picture, labels = sample.draw(0)
    assert picture.shape == (144, 256, 3) and labels.shape == (144, 256)
    column = np.flatnonzero((labels == 1).any(0)).mean()
    assert column == pytest.approx(128 + 1.2 * 144 * 0.8 / 5.0, abs=6)
    assert Framing(9 / 16).picture(144) == (144, 256)
    with pytest.raises(EGSTalkerError, match="choose"):
        Framing(distance=1.0)
