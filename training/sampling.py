"""Which frames an iteration sees: every training frame once an epoch, in an order that depends on the seed only.

The order is a function of the iteration, so a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


def frames_of_iteration(frames: Sequence[int], iteration: int, batch: int, seed: int) -> list[int]:
    """The ``batch`` frames of iteration 0, 1, ...: the next of an endless row of shuffled epochs."""
    chosen = []
    for position in range(iteration * batch, (iteration + 1) * batch):
        epoch, place = divmod(position, len(frames))
        chosen.append(frames[int(_order(len(frames), seed, epoch)[place])])
    return chosen


@lru_cache(maxsize=8)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
