"""What is said of lips: known answers of planted motion, and what the same motion gives at the wrong times."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.landmarks import FaceMotion
from evaluation.mouth import (
    by_chance,
    lip_closures_false,
    lip_closures_kept,
    mouth_amplitude,
    mouth_correlation,
    mouth_figures,
    mouth_velocity_correlation,
    why_undefined,
)


def _speech(frames: int, seed: int = 0) -> np.ndarray:
    """Openings of a mouth that closes every now and then, without a period."""
    smooth = np.convolve(np.random.default_rng(seed).normal(size=frames + 8), np.hanning(9), mode="valid")
    return np.maximum(smooth, 0.0) * 0.1


def _motion(openings: np.ndarray, skipped: int = 0) -> FaceMotion:
    series = openings.tolist()
    return FaceMotion([np.zeros((20, 2))] * len(series), series, series, series, [40.0] * len(series), skipped)


def test_amplitude_is_the_ratio_of_the_spreads_wherever_they_lie() -> None:
    truth = _speech(200)
    assert mouth_amplitude(0.6 * truth + 0.05, truth) == pytest.approx(0.6)
    half = truth.copy()
    half[::2] = np.nan
    assert mouth_amplitude(half, truth) == pytest.approx(1.0)
    assert mouth_amplitude(truth, np.full(200, 0.1)) is None


def test_velocity_sees_a_lag_that_the_correlation_forgives() -> None:
    time = np.arange(300)
    truth = np.sin(time / 25) + 0.1 * np.sin(time / 1.5)  # a slow opening, and syllables on it
    late = np.sin(time / 25) + 0.1 * np.sin(time / 1.5 + np.pi)
    assert (mouth_correlation(late, truth) or 0) > 0.98
    assert (mouth_velocity_correlation(late, truth) or 0) < -0.3
    assert mouth_velocity_correlation(3 * truth + 1, truth) == pytest.approx(1.0)


def test_velocity_is_not_taken_across_frames_that_are_missing() -> None:
    truth = np.array([0.1, 0.2, 0.4, np.nan, 0.9, 0.1, 0.3, 0.2])
    render = truth + np.array([0, 0, 0, 0, 5, 5, 5, 5])  # jumps where nothing is known
    assert mouth_velocity_correlation(render, truth) == pytest.approx(1.0)


def test_closures_count_frames_below_a_tenth_of_the_widest_true_opening() -> None:
    truth = np.array([0.0, 0.005, 0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.03, np.nan])  # four are closed: 0.02 is the limit
    render = np.array([0.019, 0.0, 0.05, 0.1, 0.0, 0.2, 0.2, 0.021, 0.03, 0.0])
    assert lip_closures_kept(render, truth) == pytest.approx(2 / 4)
    assert lip_closures_false(render, truth) == pytest.approx(1 / 3)  # the last one is not known
    assert lip_closures_kept(truth, truth) == 1.0 and lip_closures_false(truth, truth) == 0.0
    assert lip_closures_kept(truth, np.full(10, 0.2)) is None  # nothing to keep
    assert lip_closures_false(np.full(10, 0.2), truth) is None  # never closed


def test_chance_is_what_independent_motion_of_the_same_kind_gets() -> None:
    truth = _speech(1500)
    perfect, stranger = by_chance(lip_closures_kept, truth, truth), lip_closures_kept(_speech(1500, seed=1), truth)
    assert lip_closures_kept(truth, truth) == 1.0
    assert perfect == pytest.approx(stranger, abs=0.1)
    assert abs(by_chance(mouth_correlation, truth, truth) or 1) < 0.05
    always_shut = np.zeros(1500)  # keeps every closure, and so would chance
    assert by_chance(lip_closures_kept, always_shut, truth) == 1.0


def test_chance_is_the_mean_over_all_shifts_of_a_second_or_more() -> None:
    truth, render = _speech(52), _speech(52, seed=1)
    shifted = [np.corrcoef(np.roll(render, shift), truth)[0, 1] for shift in (25, 26, 27)]
    assert by_chance(mouth_correlation, render, truth) == pytest.approx(np.mean(shifted))
    assert by_chance(mouth_correlation, render[:49], truth[:49]) is None


def test_what_is_undefined_has_its_own_reason() -> None:
    open_mouth = _motion(0.15 + 0.05 * np.sin(np.arange(60)))
    figures = mouth_figures(open_mouth, open_mouth)
    assert [name for name, value in figures.items() if value is None] == [
        *("lip_closures_kept", "lip_closures_kept_by_chance", "lip_closures_false", "lip_closures_false_by_chance"),
    ]
    assert why_undefined("lip_closures_kept", open_mouth, open_mouth) == "lips never close in the true frames"
    assert why_undefined("lip_closures_false", open_mouth, open_mouth) == "lips never close in the rendered frames"
    short, nobody = _motion(_speech(40)), _motion(np.full(40, np.nan), skipped=10)
    assert why_undefined("mouth_correlation_by_chance", short, short) == "fewer than 50 frames"
    assert why_undefined("mouth_correlation", nobody, nobody).startswith("no face in 30 of 30 rendered frames")
