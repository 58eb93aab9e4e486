"""What waits for its turn: in rows, the highest first, and in each row by its turn; some of it not before a time.

What is in a row takes the same of the machines, so the first that does not fit speaks for all behind it. However much
waits, a turn costs as much as a heap does.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """A queue of rows.

    >>> waiting = Waiting()
    >>> waiting.add("begun", row=1)
    >>> waiting.add("new")
    >>> waiting.add("failed", row=1, not_before=60.0)
    >>> list(waiting.due(0.0, lambda row: True)), waiting.soonest()
    (['begun', 'new'], 60.0)
    """

    def __init__(self) -> None:
        self._rows: dict[int, list[tuple[int, int, T]]] = {}
        self._later: list[tuple[float, int, int, int, T]] = []
        self._number = count()  # of two with the same turn, the one that came first

    def __len__(self) -> int:
        return len(self._later) + sum(map(len, self._rows.values()))

    def count(self, row: int) -> int:
        """How many of a row may go as soon as they fit."""
        return len(self._rows.get(row, ()))

    def add(self, item: T, row: int = 0, turn: int = 0, not_before: float = -math.inf) -> None:
        """Let ``item`` wait in a row; ``not_before``: seconds, by the clock that :meth:`due` is told."""
        heapq.heappush(self._later, (not_before, next(self._number), row, turn, item))

    def due(self, now: float, fits: Callable[[int], bool]) -> Iterator[T]:
        """Take out what may go at ``now``, one by one, as long as ``fits`` says of its row that one more does."""
        while self._later and self._later[0][0] <= now:
            _, number, row, turn, item = heapq.heappop(self._later)
            heapq.heappush(self._rows.setdefault(row, []), (turn, number, item))
        for row in sorted(self._rows, reverse=True):
            ours = self._rows[row]
            while ours and fits(row):
                yield heapq.heappop(ours)[2]

    def soonest(self) -> float:
        """When the next comes whose time has not come yet; infinity where there is none."""
        return self._later[0][0] if self._later else math.inf
