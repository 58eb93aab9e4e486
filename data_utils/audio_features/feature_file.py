"""Audio features in .npy files: ours, another program's, or a user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.rows import SLACK, rows_of_frames

_MOST_DIMENSIONS = 4  # of a file; some programs keep an axis of one


def read_feature_file(path: Path, remedy: Callable[[], str] = lambda: "make it again") -> Float32[np.ndarray, "N *D"]:
    """The rows of audio features in a .npy file, without axes of one entry.

    Of two rows of 20 ms that a file keeps apart for each frame, [N, 2, D] (ER-NeRF's HuBERT) or [N, D, 2], the mean is
    taken, as of our own HuBERT and wav2vec 2.0 features.

    Args:
        path: of the file.
        remedy: gives what an error says to do.

    Returns:
        [N, D] or [N, T, D] (DeepSpeech: [N, 16, 29]) float32, finite.

    Raises:
        EGSTalkerError: a missing or damaged file, pickled objects, another shape, or values that are not finite.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a false header allocates nothing
    except FileNotFoundError:
        raise EGSTalkerError(f"{path} is missing; {remedy()}") from None
    except Exception as error:  # numpy raises many types on damaged files
        raise EGSTalkerError(f"{path} is not an array of audio features; {remedy()}") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or not _holds_features(values.shape):
        content = f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else "an archive"
        raise EGSTalkerError(f"{path} holds {content}, not [N, D] or [N, 16, 29] floats; {remedy()}")
    with np.errstate(over="ignore"):
        rows = values.astype(np.float32)
    if not np.isfinite(rows).all():
        raise EGSTalkerError(f"{path} holds values that are not finite; {remedy()}")
    rows = rows.reshape(_without_ones(rows.shape))
    halves = _axis_of_halves(rows.shape)
    return rows if halves is None else rows.mean(axis=halves)


def feature_shape(path: Path) -> tuple[int, ...] | None:
    """Shape of one frame's features in a file, from its header; None where it is absent or damaged."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = _without_ones(values.shape)
    except Exception:  # numpy raises many types on damaged files
        return None
    halves = _axis_of_halves(shape)
    return tuple(size for axis, size in enumerate(shape) if axis not in (0, halves))


def read_clip_features(folder: DatasetFolder, num_frames: int) -> Float32[np.ndarray, "{num_frames} *D"]:
    """The audio features of a dataset's frames, of aud.npy or what another program calls it: :func:`clip_features`."""
    return clip_features(folder, folder.audio_features, num_frames)[0]


def clip_features(
    folder: DatasetFolder, path: Path, num_frames: int
) -> tuple[Float32[np.ndarray, "{num_frames} *D"], str | None]:
    """A file's audio features of a dataset's frames.

    A row is 40 ms, or 20 ms in a file of about twice as many (GeneFace's HuBERT), of which two become their mean. Up to
    0.2 s too little is continued by the last row, as those programs do, and as much too much is cut.

    Returns:
        [N, ...] float32; and what a user should know of them, a line.

    Raises:
        EGSTalkerError: what :func:`read_feature_file` raises, or another number of rows; says what to do.
    """

    def remedy() -> str:
        from data_utils.cures import cure  # looks at every frame, and loads PyAV

        return f"{'remove it and ' if path.is_file() else ''}{cure(folder, 2)}"

    rows = read_feature_file(path, remedy)
    heard = range(num_frames) if folder.heard is None else folder.heard[:num_frames]
    wanted, count, remark = max(heard) + 1, len(rows), None
    if abs(count - wanted) > SLACK and abs(count - 2 * wanted) <= 2 * SLACK:
        remark = "two of 20 ms each become their mean"
        rows = rows[: count // 2 * 2].reshape(-1, 2, *rows.shape[1:]).mean(axis=1)
    at = rows_of_frames(len(rows), heard)
    if at is None or len(rows) > max(wanted, num_frames) + SLACK:
        raise EGSTalkerError(
            f"{path} has {count} rows for {num_frames} frames; give one a frame (25 a second), or {remedy()}"
        )
    if remark is None and len(rows) not in (wanted, num_frames):
        remark = "the last is held" if len(rows) < wanted else "the rest is left out"
    return rows[at], remark and f"{path} has {count} rows for {wanted} frames: {remark}"


def _holds_features(shape: tuple[int, ...]) -> bool:
    return 2 <= len(shape) <= _MOST_DIMENSIONS and 0 not in shape and len(_without_ones(shape)) in (2, 3)


def _axis_of_halves(shape: tuple[int, ...]) -> int | None:
    """The axis of the two rows that a file keeps apart for each frame."""
    return next((axis for axis in (1, 2) if len(shape) == 3 and shape[axis] == 2), None)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of three or more axes without those of one entry: of [1, N, D], [N, 1, D] and [1, N, T, D]."""
    if len(shape) < 3:
        return shape
    kept = tuple(size for size in shape if size != 1)
    return kept if len(kept) >= 2 else shape
