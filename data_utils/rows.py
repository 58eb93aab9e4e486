"""Which row of a table belongs to which frame, where another program counted a few more or fewer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

SLACK = 5  # rows: 0.2 s that may be missing at the end, or be there for nothing


def rows_of_frames(count: int, numbers: Sequence[int]) -> Int[np.ndarray, "N"] | None:
    """The row of each frame in a table of ``count`` rows; the last stands for up to SLACK that are missing.

    A row's place is the frame's number; a table that has exactly as many rows as there are frames goes by their order.

    Args:
        count: rows of the table.
        numbers: of the N frames.

    Returns:
        None where more rows are missing.
    """
    if count == len(numbers):
        return np.arange(count)
    if count < 1 or max(numbers) + 1 - count > SLACK:
        return None
    return np.minimum(numbers, count - 1)
