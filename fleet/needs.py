"""What a stage takes of a machine, and what the machines have."""

from __future__ import annotations

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
