"""Figures that are measured again and again: their noise, and which of them have moved since others were kept.

A figure's value is the median of its runs and its noise the largest minus the smallest; of one run the noise is not
known. It has moved if it differs from the one kept by more than both noises together (that of one run taken to be the
other's). Where nothing has changed, chance moves
a figure all the same: one in 12 with three runs kept and one now, one in 70 with three and three, one in 10,000 with
five and five (for normal noise).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Figure:
    """One number that was measured.

    Attributes:
        name: what it says; figures of one name and unit are compared.
        value: finite.
        unit: as it is written behind the value.
        better: which way it should go.
        noise: in the same unit; 0 of what can be counted, None where it is not known.
    """

    name: str
    value: float
    unit: str = ""
    better: Better = "neither"
    noise: float | None = None


def summary(runs: Iterable[Sequence[Figure]]) -> list[Figure]:
    """The figures of several runs as one list, each with its median and noise; a run may lack some.

    >>> summary([[Figure("speed", 10.0)], [Figure("speed", 13.0)], [Figure("speed", 12.0)]])
    [Figure(name='speed', value=12.0, unit='', better='neither', noise=3.0)]
    """
    values: dict[str, list[float]] = {}
    first: dict[str, Figure] = {}
    for figure in (figure for run in runs for figure in run):
        first.setdefault(figure.name, figure)
        values.setdefault(figure.name, []).append(figure.value)
    return [_summary(first[name], there) for name, there in values.items()]


def _summary(figure: Figure, values: Sequence[float]) -> Figure:
    noise = max(values) - min(values) if len(values) > 1 else figure.noise
    return replace(figure, value=median(values), noise=noise)


@dataclass(frozen=True)
class Change:
    """A figure beside the one that was kept; either may be missing."""

    now: Figure | None
    kept: Figure | None

    @property
    def name(self) -> str:
        one = self.now or self.kept
        return one.name if one else ""

    @property
    def noise(self) -> float | None:
        """The mean of both noises, or that of one which is known; None where neither is."""
        known = [one.noise for one in (self.now, self.kept) if one is not None and one.noise is not None]
        return sum(known) / len(known) if known else None

    @property
    def flag(self) -> str:
        """ "new", "gone", or, of one that has moved, "better", "worse" or "moved"; else nothing."""
        if self.now is None or self.kept is None:
            return "gone" if self.now is None else "new"
        difference = self.now.value - self.kept.value
        if self.noise is None or abs(difference) <= 2 * self.noise:
            return ""
        if self.now.better == "neither":
            return "moved"
        return "better" if (difference > 0) == (self.now.better == "higher") else "worse"


def changes(now: Iterable[Figure], kept: Iterable[Figure]) -> list[Change]:
    """Every figure of both, in the order of ``now``, those that are gone in the end."""
    before = {(figure.name, figure.unit): figure for figure in kept}
    both = [Change(figure, before.pop((figure.name, figure.unit), None)) for figure in now]
    return [*both, *(Change(None, figure) for figure in before.values())]


def digits(value: float) -> str:
    """A number as people read it, of four digits or whole.

    >>> digits(31.2179), digits(12_345.678), digits(0.08), digits(24.0)
    ('31.22', '12,346', '0.08000', '24')
    """
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.{min(max(0, 3 - math.floor(math.log10(abs(value)))), 12)}f}"
