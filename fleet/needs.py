"""What a stage takes of a machine, and what the machines have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

ROUNDING = 1e-6  # of shares of a card


@dataclass(frozen=True)
class Needs:
    """What a task takes of a machine while it runs."""

    cores: int
    gpu: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()
    """That the machine has to have."""


@dataclass(frozen=True)
class Capacity:
    """What there is of everything."""

    cores: int
    """Of all machines."""
    gpus: float
    largest: int
    """Cores of the machine with most."""
    cards: tuple[str, ...] = ()
    """Kinds of GPU, as Ray names them."""
    with_cards: tuple[tuple[int, float], ...] = ()
    """Cores and GPUs of the machines that have GPUs, each pair once; where it is not known all machines are alike."""

    @property
    def cores_of_card(self) -> float:
        """Cores that go with each GPU, on the machine that has fewest for it; 0 where there is none."""
        if not self.gpus:
            return 0.0
        return min((cores / gpus for cores, gpus in self.with_cards), default=self.cores / self.gpus)

    def most_cores(self, on_card: bool) -> int:
        """That a task may ask for: of the largest machine, or of the smallest that has a GPU, as any may get it."""
        if not on_card:
            return max(1, self.largest)
        return max(1, min((cores for cores, _ in self.with_cards), default=self.largest))

    def bears(self, needs: Needs, taken: Counter[Needs], at_once: int | None = None) -> bool:
        """Whether the machines bear one more task. Where none is at work one goes out anyhow: Ray waits for a machine.

        Args:
            needs: of the task.
            taken: how many of each kind are at work; there are few kinds, however many tasks.
            at_once: how many may be, whatever they take; None: as many as fit.
        """
        tasks = taken.total()
        if not tasks:
            return True
        if at_once is not None:
            return tasks < at_once
        cores = sum(one.cores * count for one, count in taken.items())
        gpus = sum(one.gpu * count for one, count in taken.items())
        return cores + needs.cores <= self.cores and (needs.gpu == 0 or gpus + needs.gpu <= self.gpus + ROUNDING)
