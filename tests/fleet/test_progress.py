"""What is said of stages: all of few, now and then of many."""

from __future__ import annotations

import pytest

from fleet.failures import Failure
from fleet.farm import Source
from fleet.manifest import INPUT, MACHINE
from fleet.progress import EVERY, MANY, Progress
from fleet.settings import Settings
from fleet.work import Order, Outcome


def order(number: int, stage: str = "train") -> Order:
    return Order("farm", "", Source(f"head{number}", "v.mp4", ".mp4", ""), stage, Settings(), 1, False, "")


def said(count: int, step: float) -> list[str]:
    """Of so many trainings that end one by one, ``step`` seconds apart."""
    lines: list[str] = []
    clock = [0.0]
    progress = Progress(lines.append, {"train": count}, 0, {}, lambda: clock[0])
    for number in range(count):
        progress.done(order(number), Outcome(90.0, "here", {}), 1)
        clock[0] += step
    return lines


def test_of_few_stages_each_has_a_line():
    assert len(said(MANY, 0.01)) == MANY


def test_of_many_there_is_a_line_now_and_then_and_one_for_the_last():
    lines = said(4 * MANY, 0.1)
    assert len(lines) == pytest.approx(400 / EVERY + 1, abs=1)
    assert lines[-1].startswith(f"[{4 * MANY}/{4 * MANY}] head{4 * MANY - 1}: train")


def test_of_many_that_are_tried_again_one_speaks_and_failures_for_good_all_do():
    lines: list[str] = []
    clock = [0.0]
    progress = Progress(lines.append, {"train": 2 * MANY}, 0, {}, lambda: clock[0])
    for number in range(40):
        progress.again(order(number), Failure(MACHINE, "the disk is full"), 1.0)
    clock[0] = EVERY
    progress.again(order(40), Failure(MACHINE, "the disk is full"), 1.0)
    assert lines == [
        "head0: train: the disk is full; again in 1 s",
        "head40: train: the disk is full; again in 1 s (and 39 others before it)",
    ]
    for number in range(5):
        progress.failed(order(number), Failure(INPUT, "no face"), {"train": 1}, 1)
    assert sum("FAILED: no face" in line for line in lines) == 5


def test_the_rest_is_reckoned_from_the_mean_of_each_stage():
    progress = Progress(lambda line: None, {"train": 6, "metrics": 4}, 3, {"train": [10.0, 20.0], "metrics": [3.0]})
    assert progress.rest(2) == pytest.approx((6 * 15 + 4 * 3) / 2)
    progress.done(order(0), Outcome(60.0, "here", {}), 1)
    assert progress.rest(1) == pytest.approx(5 * 30 + 4 * 3)
    assert Progress(lambda line: None, {"train": 2, "export": 1}, 0, {"train": [10.0]}).rest(1) == pytest.approx(30)
