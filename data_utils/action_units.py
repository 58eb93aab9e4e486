"""AU45, the blink: measured on the face mesh, written as au.csv, and read from ours or from OpenFace's.

OpenFace (Baltrusaitis et al. 2018) gives AU45_r an intensity of 0..5; its output format:
https://github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from data_utils.timeline import runs

STRONGEST = 5.0
BLINK = 0.6  # of a person's open eyes: below it both are closing
_SHUT = (0.08, 0.5)  # of open: what shut eyes measure, between
_SHUT_UNSEEN = 0.3  # of open: the same where a clip shows no blink
_OPEN = 0.1  # of the way to shut: still open
_OPEN_NOISE = 3.0  # standard deviations: the same where the measure is noisy
_MOST_NOISE = 0.3  # of open: eyes that differ more than this allows are different, not noise
_TOLERANCE = 0.05  # of the frames: that many rows too few or too many are let pass
_MOST_FAILED = 0.5  # of the rows


def action_unit_45(
    openings: Float[np.ndarray, "N 2"], usable: Bool[np.ndarray, "N"] | None = None
) -> Float32[np.ndarray, "N"]:
    """Blink intensity per frame in OpenFace's range.

    The clip calibrates it, each eye by itself: its median is open, the median depth of its blinks is shut. What the two
    eyes do not do together is noise (behind glasses, in small faces), and as much closing counts as open.

    Args:
        openings: eye aspect ratio of the right and the left eye [N, 2], see :func:`data_utils.face_mesh.eye_openings`.
        usable: bool [N], the frames that calibrate it; all unless given.

    Returns:
        [N] float32, 0 (open) to 5 (shut).
    """
    usable = np.ones(len(openings), bool) if usable is None else usable
    share = openings / np.maximum(np.median(openings[usable], axis=0), 1e-6)
    opening = share.mean(axis=1)
    difference = (share[:, 0] - share[:, 1])[usable]
    noise = 1.4826 * np.median(np.abs(difference - np.median(difference))) / 2  # of the mean of two
    depths = [opening[begin:end].min() for begin, end in runs((opening < BLINK) & usable)]
    shut = float(np.clip(np.median(depths), *_SHUT)) if depths else _SHUT_UNSEEN
    still_open = max(_OPEN * (1 - shut), min(_OPEN_NOISE * float(noise), _MOST_NOISE))
    closing = (1 - opening - still_open) / (1 - shut - still_open)
    return (STRONGEST * np.clip(closing, 0, 1)).astype(np.float32)


def write_action_units(path: Path, blinks: Float[np.ndarray, "N"]) -> None:
    """Write au.csv: frame (from 1), timestamp (s) and AU45_r.

    Args:
        path: of au.csv.
        blinks: [N], 0 (open) to 5 (shut).
    """
    rows = [f"{i + 1}, {i / FPS:.3f}, {blink:.3f}\n" for i, blink in enumerate(blinks)]
    with atomic_path(path) as temporary:
        temporary.write_text("frame, timestamp, AU45_r\n" + "".join(rows))


def read_action_unit_45(
    path: Path,
    num_frames: int,
    numbers: Sequence[int] | None = None,
    *,
    again: Callable[[], str] = lambda: "run preprocess.sh with --task 7",
) -> Float32[np.ndarray, "{num_frames}"]:
    """AU45_r of each of ``num_frames`` frames, [N] float32 in 0..5, from our au.csv or OpenFace's.

    Column names may begin with blanks. Rows go by their frame number where there is one. Rows of which OpenFace says
    that tracking failed, and values that are no number, are interpolated. A file at another frame rate goes by its
    timestamps; one that is a few frames short or long is held or cut. Of several faces the most frequent counts.

    Args:
        path: of the table.
        num_frames: N.
        numbers: of the frames, where some of the film's are left out; a table has a row for those, too, unless it has
            exactly N.
        again: gives what an error says to do once the table is deleted.

    Raises:
        EGSTalkerError: no such file or column, more than half of the rows failed, or another length than the clip's.
    """
    import pandas as pd  # takes a second to load

    def remedy() -> str:
        return f"delete it and {again()}, or give OpenFace's table of the clip"

    try:
        table = pd.read_csv(path, skipinitialspace=True)
        table.columns = [str(name).strip() for name in table.columns]
        table = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
        if "face_id" in table and table["face_id"].notna().any():
            table = table[table["face_id"] == table["face_id"].mode()[0]]
        columns = {name: table[name].to_numpy() for name in table.columns}
        values = columns["AU45_r"]
    except (OSError, ValueError, KeyError, TypeError, pd.errors.ParserError) as error:
        raise EGSTalkerError(f"{path} has no column AU45_r of numbers; {remedy()}") from error
    usable = np.isfinite(values)
    if "success" in columns:
        usable &= columns["success"] > 0.5
    elif "confidence" in columns:
        usable &= columns["confidence"] > 0.5
    if usable.sum() < max(1, _MOST_FAILED * len(values)):
        raise EGSTalkerError(f"{path} has {usable.sum()} usable rows of {len(values)}; {remedy()}")
    length = num_frames if numbers is None or len(values) == num_frames else max(numbers) + 1
    at = _frames_of_rows(columns, length)
    if at is None:
        raise EGSTalkerError(f"{path} has {len(values)} rows for {num_frames} frames; {remedy()}")
    order = np.flatnonzero(usable)[np.argsort(at[usable], kind="stable")]
    wanted = np.arange(num_frames) if length == num_frames or numbers is None else np.asarray(numbers)
    return np.interp(wanted, at[order], np.clip(values[order], 0, STRONGEST)).astype(np.float32)


def _frames_of_rows(columns: dict[str, Float64[np.ndarray, "R"]], num_frames: int) -> Float64[np.ndarray, "R"] | None:
    """The clip's frame (from 0) of each row, by number or else by time; None where neither spans the clip."""
    length = len(columns["AU45_r"])
    rows = columns.get("frame", np.arange(length, dtype=np.float64))
    if np.isfinite(rows).all():
        rows = rows - min(rows.min(), 1)  # OpenFace counts from 1, others from 0
        if abs(rows.max() + 1 - num_frames) <= max(1, _TOLERANCE * num_frames):
            return rows
    times = columns.get("timestamp")
    if times is not None and length > 1 and np.isfinite(times).all() and (np.diff(times) > 0).all():
        duration = times[-1] + (times[-1] - times[0]) / (length - 1)
        if abs(duration * FPS - num_frames) <= max(1, _TOLERANCE * num_frames):
            return times * FPS
    return None
