"""Stretches of a clip's frames, and as times that a person can look up."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from arguments.clock import FPS, timestamp


def runs(marked: Bool[np.ndarray, "N"]) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of each stretch in which something is the case."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked, [0])).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def spans(marked: Bool[np.ndarray, "N"], *, rate: float = FPS, most: int = 6) -> str:
    """Where something is the case, as times: "0:07.2-0:09.0, 1:15.4 and 3 more".

    Args:
        marked: bool [N].
        rate: entries a second.
        most: spans that are written out.
    """
    ends = [(timestamp(begin / rate), timestamp((end - 1) / rate)) for begin, end in runs(marked)]
    texts = [first if first == last else f"{first}-{last}" for first, last in ends]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")
