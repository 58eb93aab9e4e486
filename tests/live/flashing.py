"""Lamps that fail, for tests of what happens then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.lamp import Lamp
from live.performer import Look, Performer


class Broken(Lamp):
    """Whose renderer fails as soon as there is something to see."""

    def pictures(self, looks: Sequence[Look]) -> list[np.ndarray]:
        if looks:
            raise RuntimeError("out of memory")
        return []


def broken() -> Performer:
    return Broken()
