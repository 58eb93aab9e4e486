"""benchmarks/figures.py: what noise is, and what has moved."""

from __future__ import annotations

import pytest

from benchmarks.figures import Change, Figure, changes, digits, summary


def test_the_value_is_the_median_of_the_runs_and_the_noise_their_range():
    runs = [[Figure("speed", value, "frames/s", "higher"), Figure("parts", 3, noise=0)] for value in (10.0, 14.0, 11.0)]
    assert summary(runs) == [Figure("speed", 11.0, "frames/s", "higher", 4.0), Figure("parts", 3, noise=0)]


def test_of_one_run_the_noise_is_not_known_and_counts_have_none():
    assert [figure.noise for figure in summary([[Figure("speed", 10.0), Figure("tests", 3, noise=0)]])] == [None, 0]


def test_a_figure_that_a_run_lacks_is_that_of_the_others():
    runs = [[Figure("psnr", 30.0)], [Figure("psnr", 31.0), Figure("closures", 0.5)]]
    assert summary(runs) == [Figure("psnr", 30.5, noise=1.0), Figure("closures", 0.5)]


@pytest.mark.parametrize(
    ("better", "now", "flag"),
    [
        *[("higher", 14.1, "better"), ("higher", 5.9, "worse"), ("lower", 14.1, "worse"), ("lower", 5.9, "better")],
        *[("neither", 14.1, "moved"), ("neither", 5.9, "moved")],
        *[("higher", 14.0, ""), ("higher", 6.0, ""), ("lower", 10.0, "")],
    ],
)
def test_what_differs_by_more_than_twice_the_noise_of_one_side_has_moved(better, now, flag):
    assert Change(Figure("x", now, "s", better), Figure("x", 10.0, "s", better, noise=2.0)).flag == flag


@pytest.mark.parametrize(
    ("noise_now", "noise_kept", "flag"),
    [
        (None, 0.9, "worse"),
        (0.9, None, "worse"),
        (1.5, 0.5, ""),
        (0.5, 1.4, "worse"),
        (0, 0, "worse"),
        (None, None, ""),
    ],
)
def test_both_noises_count_and_what_has_no_known_noise_is_not_judged(noise_now, noise_kept, flag):
    now, kept = Figure("x", 12.0, "s", "lower", noise_now), Figure("x", 10.0, "s", "lower", noise_kept)
    assert Change(now, kept).flag == flag


def test_any_change_of_what_is_counted_is_told():
    assert [row.flag for row in changes([Figure("tests", 11, noise=0)], [Figure("tests", 10, noise=0)])] == ["moved"]
    assert [row.flag for row in changes([Figure("tests", 10, noise=0)], [Figure("tests", 10, noise=0)])] == [""]


def test_figures_that_are_new_or_gone_are_told_and_those_of_another_unit_not_compared():
    now = [Figure("a", 1.0), Figure("time", 1.0, "s")]
    rows = changes(now, [Figure("time", 1000.0, "ms"), Figure("a", 1.0), Figure("b", 2.0)])
    assert [(row.name, row.flag) for row in rows] == [("a", ""), ("time", "new"), ("time", "gone"), ("b", "gone")]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-2, "-2"), (1234567.0, "1,234,567"), (99.96, "99.96"), (-0.5, "-0.5000"), (1e-4 / 3, "0.00003333")],
)
def test_numbers_have_four_digits_or_are_whole(value, text):
    assert digits(value) == text
