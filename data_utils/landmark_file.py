"""Landmark files: 68 points of a face, one a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from arguments.errors import EGSTalkerError


def read_landmarks(path: Path) -> Float[np.ndarray, "68 2"]:
    """68 landmarks (x y per line, pixels). Raises EGSTalkerError for a missing or damaged file."""
    try:
        points = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except OSError as error:
        raise EGSTalkerError(f"{path} is missing: run preprocess.sh with --task 7") from error
    except ValueError as error:
        raise EGSTalkerError(f"{path} holds no landmarks: delete it and run preprocess.sh with --task 7") from error
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise EGSTalkerError(f"{path} holds no 68 landmarks: delete it and run preprocess.sh with --task 7")
    return points
