"""Values at any times become frames on the clock of films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from motion.driver import LONGEST

_TOLERANCE = 0.01  # of a frame, by which a file's rounded times may lack


def resampled(places: Float[np.ndarray, "M"], values: Float[np.ndarray, "M D"], path: Path) -> Float[np.ndarray, "N D"]:
    """Values at every frame from 0 to the last place, on straight lines between their rows.

    Before the first place its row is held. At a row's own place its values come out as they are.

    Args:
        places: times in frames of 1/25 s; they need not be whole.
        values: at those times.
        path: of the file that they are from, for messages.

    Raises:
        EGSTalkerError: times do not rise from 0 or later, or reach beyond an hour.
    """
    falls = np.flatnonzero(np.diff(places) <= 0)
    if len(falls):
        raise EGSTalkerError(f"{path}: the time of row {falls[0] + 2} is not after the one before it; sort the rows")
    if places[0] < 0 or places[-1] > LONGEST * FPS:
        raise EGSTalkerError(
            f"{path}: times run from {places[0] / FPS:g} to {places[-1] / FPS:g} s; they count from the film's start, "
            "to an hour at most"
        )
    at = np.arange(int(places[-1] + _TOLERANCE) + 1)
    return np.stack([np.interp(at, places, column) for column in values.T], axis=1)
