"""Which frames an iteration sees: every training frame once an epoch, rare ones more often, in an order that depends on
the seed only.

The order is a function of the iteration, so a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

HALF_SHUT = 0.5  # blink intensity from which eyes count as closed
MOST_REPEATS = 20  # of a frame in an epoch: a single blink is not learnt by heart


def frames_of_iteration(frames: Sequence[int], iteration: int, batch: int, seed: int) -> list[int]:
    """The ``batch`` frames of iteration 0, 1, ...: the next of an endless row of shuffled epochs."""
    chosen = []
    for position in range(iteration * batch, (iteration + 1) * batch):
        epoch, place = divmod(position, len(frames))
        chosen.append(frames[int(_order(len(frames), seed, epoch)[place])])
    return chosen


def with_closed_eyes_often(frames: Sequence[int], closing: Float[np.ndarray, "N"], share: float) -> list[int]:
    """Training frames, those with closing eyes so often that they are a share of all.

    Somebody who blinks five times in half a minute shows closed lids in one frame of forty: a head would see each a few
    times only, and learn to leave its eyes open.

    Args:
        frames: numbers [N] of the frames to train on.
        closing: blink intensity of each, 0 (open) to 1.
        share: of what comes back, 0..1 (exclusive), that has eyes more than half shut; at least.

    Returns:
        every frame once, and those of closing eyes, where they are rarer than ``share``, again and again; at most
        ``MOST_REPEATS`` times each.
    """
    shut = [frame for frame, eyes in zip(frames, closing.tolist(), strict=True) if eyes > HALF_SHUT]
    if not shut or share <= 0:
        return list(frames)
    wanted = share / (1 - share) * (len(frames) - len(shut)) / len(shut)
    repeats = min(MOST_REPEATS, max(1, round(wanted)))
    return [*frames, *shut * (repeats - 1)]


@lru_cache(maxsize=8)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
