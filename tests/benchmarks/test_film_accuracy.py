"""Heads that stand beside their place."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.film_accuracy import film_accuracy
from evaluation.truth import TrueFrame


def _truth(seed: int = 0) -> TrueFrame:
    picture = np.random.default_rng(seed).integers(0, 255, (12, 12, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    head = np.zeros((96, 96), bool)
    head[24:72, 30:66] = True
    return TrueFrame(seed, picture, picture, head, ~head, np.full((68, 2), np.nan))


def test_a_head_in_its_place_is_not_off_however_dark_or_noisy() -> None:
    truth = _truth()
    noise = np.random.default_rng(1).normal(0, 12, truth.composite.shape)
    render = np.clip(truth.composite * 0.7 + noise, 0, 255).astype(np.uint8)
    assert film_accuracy([render], [truth]).head_off == 0


@pytest.mark.parametrize(("shift", "off"), [(2, 0), (3, 0), (4, 1), (8, 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_head_beside_its_place_is(shift: int, off: int, axis: int) -> None:
    truth = _truth()
    assert film_accuracy([np.roll(truth.composite, shift, axis)], [truth]).head_off == off


def test_the_share_is_of_the_frames_that_show_a_head() -> None:
    seen, empty = _truth(0), _truth(1)
    empty.head[:] = False
    renders = [seen.composite, np.roll(seen.composite, 6, 0), empty.composite]
    assert film_accuracy(renders, [seen, seen, empty]).head_off == 0.5
    assert film_accuracy([empty.composite], [empty]).head_off is None
