"""What a stage takes of a machine, and what the machines have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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

    def bears(self, needs: Needs, taken: Sequence[Needs], at_once: int | None = None) -> bool:
        """Whether the machines bear one more task. Where none is at work one goes out anyhow: Ray waits for a machine.

        Args:
            needs: of the task.
            taken: of those at work.
            at_once: how many may be, whatever they take; None: as many as fit.
        """
        if not taken:
            return True
        if at_once is not None:
            return len(taken) < at_once
        cores, gpus = sum(one.cores for one in taken), sum(one.gpu for one in taken)
        return cores + needs.cores <= self.cores and (needs.gpu == 0 or gpus + needs.gpu <= self.gpus + 1e-6)
