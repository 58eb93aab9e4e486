"""Correlation of planted signals."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.correlation import correlation


def test_agrees_with_numpy_and_ignores_scale_and_offset() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlation(3 * a + 7, a) == pytest.approx(1.0)
    assert correlation(-a, a) == pytest.approx(-1.0)


def test_frames_without_a_face_are_left_out_of_both_signals() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 20))
    expected = np.corrcoef(np.delete(a, [3, 11]), np.delete(b, [3, 11]))[0, 1]
    a[3] = np.nan
    b[11] = np.nan
    assert correlation(a, b) == pytest.approx(expected)


@pytest.mark.parametrize("still", [0.0, 0.1, 1e6])
def test_a_signal_that_does_not_change_has_no_correlation(still: float) -> None:
    moving = np.sin(np.arange(30.0))
    assert correlation(np.full(30, still), moving) is None
    assert correlation(moving, np.full(30, still)) is None


def test_small_motion_is_motion() -> None:
    wave = np.sin(np.arange(30.0))
    assert correlation(1e-3 * wave, 1e-3 * wave + 0.5) == pytest.approx(1.0)


def test_too_few_frames_have_no_correlation() -> None:
    assert correlation([1.0, 2.0], [1.0, 2.0]) is None
    assert correlation([1.0, 2.0, np.nan], [1.0, 2.0, 3.0]) is None


def test_refuses_signals_of_different_length() -> None:
    with pytest.raises(ValueError, match="equal length"):
        correlation([1.0, 2.0, 3.0], [1.0, 2.0])
