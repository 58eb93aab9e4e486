import numpy as np
import pytest

from media.sound_clock import pieces_of

FRAME = 1024 / 48000
COUNT = 400
TIMES = np.arange(COUNT) * FRAME
LENGTHS = np.full(COUNT, FRAME)


def test_an_exact_clock_is_one_piece_whose_samples_pass_unchanged():
    (piece,) = pieces_of(TIMES + 3, LENGTHS)
    assert piece.is_straight and piece.start == pytest.approx(3) and piece.stop == pytest.approx(3 + COUNT * FRAME)


@pytest.mark.parametrize("size", [0.001, 0.02])
def test_rounded_and_jittering_time_stamps_make_no_seam(size):
    noise = np.random.default_rng(0).uniform(-size, size, COUNT)
    (piece,) = pieces_of(TIMES + noise, LENGTHS)
    assert np.abs(piece.heard - piece.counted).max() < 0.008
    assert piece.is_straight or size > 0.01


def test_a_few_swapped_or_absent_time_stamps_do_not_matter():
    times = TIMES.copy()
    times[[50, 300]] = times[[300, 50]]
    times[100:110] = np.nan
    (piece,) = pieces_of(times, LENGTHS)
    assert piece.is_straight and abs(piece.start) < 1e-6


@pytest.mark.parametrize("step", [0.3, 0.02, -0.02, -0.3])
def test_a_lasting_step_is_a_gap_or_an_overlap(step):
    one, two = pieces_of(TIMES + step * (np.arange(COUNT) >= 150), LENGTHS)
    assert two.first == 150 and two.start - one.stop == pytest.approx(step)


def test_a_step_of_less_is_bent_away_within_the_limit_of_ten_milliseconds():
    (piece,) = pieces_of(TIMES + 0.003 * (np.arange(COUNT) >= 150), LENGTHS)
    heard = np.interp(TIMES, piece.counted, piece.heard)
    assert np.abs(heard - TIMES - 0.003 * (np.arange(COUNT) >= 150)).max() < 0.004


@pytest.mark.parametrize("speed", [1.01, 0.99])
def test_a_drift_with_gaps_in_it_is_followed_between_them(speed):
    times = speed * TIMES + 0.25 * (np.arange(COUNT) >= 200)
    pieces = pieces_of(times, LENGTHS)
    assert [piece.first for piece in pieces] == [0, 200]
    for piece in pieces:
        begin = times[piece.first]
        assert piece.heard == pytest.approx(begin + speed * piece.counted, abs=1e-4)


def test_every_second_block_lost_is_gaps_rather_than_a_slow_clock():
    pieces = pieces_of(2 * TIMES, LENGTHS)
    assert len(pieces) == COUNT and all(piece.is_straight for piece in pieces)
