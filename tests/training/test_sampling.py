"""Which frames an iteration sees."""

from __future__ import annotations

import numpy as np

from training.sampling import frames_of_iteration


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
