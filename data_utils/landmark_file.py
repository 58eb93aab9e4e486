"""Landmark files: 68 points of a face, one a line."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.cures import cure


def read_landmarks(folder: DatasetFolder, i: int) -> Float[np.ndarray, "68 2"]:
    """68 landmarks of a dataset's frame ``i`` (x y per line, pixels).

    Raises EGSTalkerError for a missing or damaged file; says what to do.
    """
    path = folder.landmarks(i)
    try:
        points = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except OSError as error:
        raise EGSTalkerError(f"{path} is missing; {cure(folder, 7)}") from error
    except ValueError as error:
        raise EGSTalkerError(f"{path} holds no landmarks; delete it and {cure(folder, 7)}") from error
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise EGSTalkerError(f"{path} holds no 68 landmarks; delete it and {cure(folder, 7)}")
    return points
