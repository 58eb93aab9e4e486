"""Which frames an iteration sees."""

from __future__ import annotations

import numpy as np
import pytest

from training.sampling import HALF_SHUT, MOST_REPEATS, frames_of_iteration, with_closed_eyes_often


def test_an_epoch_shows_every_frame_once():
    frames = range(5, 17)
    seen = [i for it in range(4) for i in frames_of_iteration(frames, it, 3, seed=1)]
    assert sorted(seen) == list(frames)
    assert seen != list(frames)


def test_the_order_depends_on_seed_and_iteration_only():
    frames = range(12)
    row = [i for iteration in range(8) for i in frames_of_iteration(frames, iteration, 5, 1)]
    np.random.seed(3)  # noqa: NPY002 -- of the global generator, which must not matter
    assert frames_of_iteration(frames, 7, 5, 1) == row[35:]
    assert frames_of_iteration(frames, 7, 5, 1) != frames_of_iteration(frames, 7, 5, 2)


def test_batches_run_over_the_end_of_an_epoch():
    seen = [i for it in range(12) for i in frames_of_iteration(range(5), it, 5, seed=0)]
    for epoch in range(12):
        assert sorted(seen[5 * epoch : 5 * epoch + 5]) == list(range(5))
    assert len({tuple(seen[5 * epoch : 5 * epoch + 5]) for epoch in range(12)}) > 6  # each in an order of its own
    small = [i for it in range(5) for i in frames_of_iteration(range(3), it, 7, seed=0)]
    assert all(small.count(i) in (11, 12) for i in range(3))


def eyes(count, shut):
    return np.where(np.isin(np.arange(count), shut), 1.0, 0.1)


@pytest.mark.parametrize("share", [0.1, 0.15, 0.3])
def test_rare_blinks_are_shown_so_often_as_is_asked(share):
    frames, shut = (
        list(range(100, 900)),
        [7, 8, 9, 300, 301, 500, 501, 502, 700, 701, 702, 703, 704, 705, 706, 707, 708],
    )
    shown = with_closed_eyes_often(frames, eyes(800, shut), share)
    closed = [i for i in shown if i - 100 in shut]
    assert len(closed) / len(shown) == pytest.approx(share, abs=0.02)
    assert set(shown) == set(frames)
    assert [i for i in shown if i - 100 not in shut] == [i for i in frames if i - 100 not in shut]
    assert len({closed.count(i) for i in set(closed)}) == 1  # each of them as often


def test_frequent_blinks_and_none_are_left_as_they_are():
    frames = list(range(50))
    assert with_closed_eyes_often(frames, eyes(50, range(20)), 0.15) == frames
    assert with_closed_eyes_often(frames, eyes(50, []), 0.15) == frames
    assert with_closed_eyes_often(frames, eyes(50, [3]), 0.0) == frames
    assert with_closed_eyes_often(frames, np.full(50, HALF_SHUT), 0.15) == frames


def test_a_single_closed_frame_is_not_shown_for_ever():
    shown = with_closed_eyes_often(list(range(5000)), eyes(5000, [40]), 0.15)
    assert shown.count(40) == MOST_REPEATS and len(shown) == 5000 + MOST_REPEATS - 1
