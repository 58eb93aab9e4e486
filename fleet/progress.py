"""One line for each stage that ends: how many of all, how fast, and how long the rest will take.

Of many stages a line now and then: one of those that go well and one of those that are tried again each ten seconds,
and all that fail for good.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from fleet.failures import Failure
from fleet.work import Order, Outcome

MANY = 1_000  # stages
EVERY = 10.0  # seconds between two lines of many


class Progress:
    """Says what happens.

    Args:
        say: takes a line.
        left: how many stages of each kind are to be done.
        whole: how many are whole already.
        seconds: what whole ones of each kind took.
        clock: seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        left: Mapping[str, int],
        whole: int,
        seconds: Mapping[str, Sequence[float]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say, self._left, self._whole, self._clock = say, dict(left), whole, clock
        self._count = Counter({stage: len(values) for stage, values in seconds.items()})
        self._seconds = defaultdict(float, {stage: sum(values) for stage, values in seconds.items()})
        self._begun, self._ended = clock(), 0
        self._every = EVERY if whole + sum(left.values()) > MANY else 0.0
        self._said = {"done": -math.inf, "again": -math.inf}
        self._unsaid = 0

    def done(self, order: Order, outcome: Outcome, at_work: int) -> None:
        """A stage is whole; ``at_work`` others are being done."""
        self._whole += 1
        self._ended += not outcome.skipped
        self._left[order.stage] -= 1
        self._count[order.stage] += 1
        self._seconds[order.stage] += outcome.seconds
        if self._is_due("done") or not any(self._left.values()):
            what = "whole already" if outcome.skipped else f"done in {length(outcome.seconds)}"
            self._line(order, what, at_work)

    def again(self, order: Order, failure: Failure, seconds: float) -> None:
        """A stage has failed and is tried again in so many seconds."""
        if self._is_due("again"):
            others = f" (and {self._unsaid} others before it)" if self._unsaid else ""
            self._say(f"{order.source.name}: {order.stage}: {failure.why}; again in {seconds:.0f} s{others}")
            self._unsaid = 0
        else:
            self._unsaid += 1

    def failed(self, order: Order, failure: Failure, lost: Mapping[str, int], at_work: int) -> None:
        """A stage has failed for good, and with it those after it (``lost``, itself among them)."""
        for stage, count in lost.items():
            self._left[stage] -= count
        self._line(order, f"FAILED: {failure.why}", at_work)

    def _is_due(self, kind: str) -> bool:
        now = self._clock()
        if now - self._said[kind] < self._every:
            return False
        self._said[kind] = now
        return True

    def _line(self, order: Order, what: str, at_work: int) -> None:
        left = sum(self._left.values())
        minutes = (self._clock() - self._begun) / 60
        rate = f", {self._ended / minutes:.1f} stages a minute" if self._ended and minutes else ""
        rest = f", {length(self.rest(at_work + 1))} left" if left else ""
        self._say(f"[{self._whole}/{self._whole + left}] {order.source.name}: {order.stage}: {what}{rate}{rest}")

    def rest(self, side_by_side: int) -> float:
        """Seconds that what is left will take, with so many at a time, as those before it did."""
        usual = sum(self._seconds.values()) / max(1, self._count.total())
        means = {stage: self._seconds[stage] / count for stage, count in self._count.items() if count}
        return sum(means.get(stage, usual) * count for stage, count in self._left.items()) / max(1, side_by_side)


def length(seconds: float) -> str:
    """A time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
