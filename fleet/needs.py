"""What a stage takes of a machine, and what the machines have."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

ROUNDING = 1e-6  # of shares of a card
Label: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Needs:
    """What a task takes of a machine while it runs."""

    cores: int
    gpu: float = 0.0
    labels: tuple[Label, ...] = ()
    """That the machine has to have."""

    @property
    def where(self) -> tuple[bool, tuple[Label, ...]]:
        """Tasks of which this is the same may come to the same machines."""
        return self.gpu > 0, self.labels


@dataclass(frozen=True)
class MachineKind:
    """What a machine has in all."""

    cores: int
    gpus: float = 0.0
    card: str = ""
    """Kind of its GPUs, as Ray names it; empty where it is not known."""
    labels: tuple[Label, ...] = ()

    def takes(self, needs: Needs) -> bool:
        """Whether a task may come to it, if it does not ask for too much."""
        return (self.gpus > 0 or not needs.gpu) and set(needs.labels) <= set(self.labels)


@dataclass(frozen=True)
class Capacity:
    """What the machines have, all together."""

    machines: Mapping[MachineKind, int]
    """How many there are of each kind."""
    _of: dict[tuple[bool, tuple[Label, ...]], Capacity] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @functools.cached_property
    def cores(self) -> int:
        """Of all machines."""
        return sum(kind.cores * count for kind, count in self.machines.items())

    @functools.cached_property
    def gpus(self) -> float:
        """Of all machines."""
        return sum(kind.gpus * count for kind, count in self.machines.items())

    @functools.cached_property
    def cards(self) -> list[str]:
        """Kinds of GPU."""
        return sorted({kind.card for kind in self.machines if kind.gpus})

    @functools.cached_property
    def cores_of_card(self) -> float:
        """Cores that go with each GPU, on the machine that has fewest for it; 0 where there is none."""
        return min((kind.cores / kind.gpus for kind in self.machines if kind.gpus), default=0.0)

    def has(self, label: Label) -> bool:
        """Whether a machine has a label."""
        return any(label in kind.labels for kind in self.machines)

    def of(self, needs: Needs) -> Capacity:
        """The machines that such a task may come to; all of them where there is none, as others may join."""
        return self._takers(needs) if self._takers(needs).machines else self

    def most_cores(self, needs: Needs) -> int:
        """That such a task may ask for: of the largest machine, or of the smallest with a GPU, as any may get it."""
        cores = (kind.cores for kind in self.of(needs).machines)
        return (min if needs.gpu else max)(cores, default=1)

    def bears(
        self, needs: Needs, taken: Counter[Needs], at_once: int | None = None, kept: Counter[Needs] | None = None
    ) -> bool:
        """Whether the machines bear one more task.

        One goes out anyhow where none is at work, or no machine is one for it: Ray waits for a machine.

        Args:
            needs: of the task.
            taken: how many of each kind are at work; there are few kinds, however many tasks.
            at_once: how many may be, whatever they take; None: as many as fit.
            kept: others that are to find room too.
        """
        if not (tasks := taken.total()):
            return True
        if at_once is not None:
            return tasks < at_once
        together = taken + Counter([needs])
        if kept:
            together += kept
        alike = [one for one in together.items() if one[0].where == needs.where]
        ours = self._takers(needs)
        if not ours.machines:
            return [count for _, count in alike] == [1]
        return ours._hold(alike) and self._hold(together.items())

    def _takers(self, needs: Needs) -> Capacity:
        """The machines that such a task may come to, and no others."""
        if needs.where not in self._of:
            kinds = {kind: count for kind, count in self.machines.items() if kind.takes(needs)}
            self._of[needs.where] = Capacity(kinds)
        return self._of[needs.where]

    def _hold(self, tasks: Iterable[tuple[Needs, int]]) -> bool:
        cores, gpus = 0, 0.0
        for needs, count in tasks:
            cores, gpus = cores + needs.cores * count, gpus + needs.gpu * count
        return cores <= self.cores and gpus <= self.gpus + ROUNDING
