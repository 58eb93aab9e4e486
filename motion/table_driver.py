"""Tables of expression codes: written out, edited by whoever likes, and read back.

A csv has a header: ``code_0`` to ``code_{K-1}``, in standard deviations of the head's clip
(:mod:`motion.expression_code`); ``eye``, if wanted, blink intensity 0..1; and ``frame`` (from 0, 25 a second) or
``time`` (seconds) where rows are not one a frame. Between rows values run straight, so that a few key rows are a motion
too. Other columns are passed over. A npy file holds codes alone: floats [N, K], a row a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from motion.csv_table import CsvTable
from motion.driver import LONGEST, DrivenMotion
from motion.resampling import resampled

LARGEST = 50.0  # standard deviations; no face goes so far


def read_codes(table: CsvTable, num_codes: int) -> DrivenMotion:
    """The motion in a table, see the module.

    Args:
        table: with columns of codes.
        num_codes: K of the head.

    Raises:
        EGSTalkerError: it is for heads of other codes, a value is no number or beyond all bounds, times do not rise, or
            it lasts more than an hour.
    """
    path, header = table.path, table.header
    names = [f"code_{k}" for k in range(num_codes)]
    found = sum(name.startswith("code_") for name in header)
    if found != num_codes or not set(names) <= set(header):
        raise EGSTalkerError(f"{path} has {found} columns of codes; this head takes code_0 to code_{num_codes - 1}")
    if "eye" in header:
        names.append("eye")
    values = rows_on_the_clock(table, names)
    codes = _checked(values[:, :num_codes], path)
    if "eye" not in header:
        return DrivenMotion(codes)
    eyes = values[:, num_codes]
    if eyes.min() < 0 or eyes.max() > 1:
        raise EGSTalkerError(f"{path}: eye runs from {eyes.min():g} to {eyes.max():g}; it is 0 (open) to 1 (shut)")
    return DrivenMotion(codes, torch.from_numpy(eyes.astype(np.float32)))


def rows_on_the_clock(table: CsvTable, columns: Sequence[str]) -> Float[np.ndarray, "N D"]:
    """Columns of a table, a row a frame: as its ``time`` or ``frame`` says, else as the rows follow each other.

    Raises:
        EGSTalkerError: a value is no number, times do not rise, or it lasts more than an hour.
    """
    values = table.numbers(columns)
    clock = next((name for name in ("time", "frame") if name in table.header), None)
    if clock is None:
        return values
    places = table.numbers([clock])[:, 0] * (FPS if clock == "time" else 1)
    return resampled(places, values, table.path)


def read_code_array(path: Path, num_codes: int) -> DrivenMotion:
    """The motion in a npy file of floats [N, K].

    Raises:
        EGSTalkerError: it is no such file, or what :func:`read_codes` refuses.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a false header allocates nothing
    except FileNotFoundError:
        raise EGSTalkerError(f"there is no {path}") from None
    except Exception as error:  # numpy raises many types on damaged files
        raise EGSTalkerError(f"{path} is not an array of codes; make it again") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind != "f":
        content = f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else "an archive"
        raise EGSTalkerError(f"{path} holds {content}, not floats [N, {num_codes}]")
    if values.shape[1] != num_codes or len(values) == 0:
        raise EGSTalkerError(f"{path} holds {list(values.shape)} codes; this head takes [N, {num_codes}]")
    return DrivenMotion(_checked(values, path))


def write_codes(path: Path, codes: Float[Tensor, "N K"], eyes: Float[Tensor, "N"]) -> None:
    """Write a csv that :func:`read_codes` reads back bit by bit, if values are float32.

    Raises:
        EGSTalkerError: it cannot be written.
    """
    header = ["frame", *(f"code_{k}" for k in range(codes.shape[1])), "eye"]
    values = torch.cat([codes, eyes[:, None]], dim=1).float().cpu().numpy()
    try:
        with atomic_path(path) as part, part.open("w", encoding="utf-8") as file:
            file.write(",".join(header) + "\n")
            for i, row in enumerate(values):  # numpy writes the fewest digits that tell a float32 from its neighbours
                file.write(",".join([str(i), *map(str, row)]) + "\n")
    except OSError as error:
        raise EGSTalkerError(f"cannot write {path}: {error.strerror}; choose another place for it") from error


def _checked(codes: Float[np.ndarray, "N K"], path: Path) -> Float[Tensor, "N K"]:
    if len(codes) > LONGEST * FPS:
        raise EGSTalkerError(f"{path} has {len(codes)} frames, more than an hour; cut it into parts")
    largest = np.abs(codes).max()  # NaN where any is
    if not largest <= LARGEST:
        raise EGSTalkerError(
            f"{path} holds codes of size {largest:g}; they are standard deviations of the head's clip, {LARGEST:g} at "
            "most"
        )
    return torch.from_numpy(codes.astype(np.float32))
