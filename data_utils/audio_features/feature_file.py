"""Audio features in .npy files: ours, another program's, or a user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from arguments.errors import EGSTalkerError


def read_feature_file(path: Path) -> Float32[np.ndarray, "N D"] | Float32[np.ndarray, "N 16 29"]:
    """One row of features for every video frame, from a .npy file.

    Returns:
        [N, D] or [N, 16, 29] float32, finite.

    Raises:
        EGSTalkerError: a missing or damaged file, pickled objects, another shape, or values that are not finite.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a false header allocates nothing
    except FileNotFoundError:
        raise EGSTalkerError(f"{path} is missing; run preprocess.sh with --task 2") from None
    except Exception as error:  # numpy raises many types on damaged files
        raise EGSTalkerError(f"{path} is not an array of audio features; make it again") from error
    if not isinstance(values, np.ndarray) or values.ndim not in (2, 3) or 0 in values.shape or values.dtype.kind != "f":
        content = f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else "an archive"
        raise EGSTalkerError(f"{path} holds {content}, not [N, D] or [N, 16, 29] floats; make it again")
    with np.errstate(over="ignore"):
        rows = values.astype(np.float32)
    if not np.isfinite(rows).all():
        raise EGSTalkerError(f"{path} holds values that are not finite; make it again")
    return rows
