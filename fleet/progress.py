"""One line for each stage that ends: how many of all, how fast, and how long the rest will take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from fleet.failures import Failure
from fleet.work import Order, Outcome


class Progress:
    """Says what happens.

    Args:
        say: takes a line.
        left: how many stages of each kind are to be done.
        whole: how many are whole already.
        seconds: what whole ones of each kind took.
    """

    def __init__(
        self, say: Callable[[str], None], left: Mapping[str, int], whole: int, seconds: Mapping[str, list[float]]
    ) -> None:
        self._say, self._left, self._whole = say, dict(left), whole
        self._seconds = defaultdict(list, {stage: list(values) for stage, values in seconds.items()})
        self._begun, self._ended = time.monotonic(), 0

    def done(self, order: Order, outcome: Outcome, at_work: int) -> None:
        """A stage is whole; ``at_work`` others are being done."""
        self._whole += 1
        self._ended += not outcome.skipped
        self._left[order.stage] -= 1
        self._seconds[order.stage].append(outcome.seconds)
        what = "whole already" if outcome.skipped else f"done in {length(outcome.seconds)}"
        self._line(order, what, at_work)

    def again(self, order: Order, failure: Failure, seconds: float) -> None:
        """A stage has failed and is tried again in so many seconds."""
        self._say(f"{order.source.name}: {order.stage}: {failure.why}; again in {seconds:.0f} s")

    def failed(self, order: Order, failure: Failure, lost: Mapping[str, int], at_work: int) -> None:
        """A stage has failed for good, and with it those after it (``lost``, itself among them)."""
        for stage, count in lost.items():
            self._left[stage] -= count
        self._line(order, f"FAILED: {failure.why}", at_work)

    def _line(self, order: Order, what: str, at_work: int) -> None:
        left = sum(self._left.values())
        minutes = (time.monotonic() - self._begun) / 60
        rate = f", {self._ended / minutes:.1f} stages a minute" if self._ended else ""
        rest = f", {length(self.rest(at_work + 1))} left" if left else ""
        self._say(f"[{self._whole}/{self._whole + left}] {order.source.name}: {order.stage}: {what}{rate}{rest}")

    def rest(self, side_by_side: int) -> float:
        """Seconds that what is left will take, with so many at a time, as those before it did."""
        known = [value for values in self._seconds.values() for value in values]
        usual = sum(known) / len(known) if known else 0.0
        means = {stage: sum(values) / len(values) for stage, values in self._seconds.items() if values}
        return sum(means.get(stage, usual) * count for stage, count in self._left.items()) / max(1, side_by_side)


def length(seconds: float) -> str:
    """A time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
