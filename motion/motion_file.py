"""A motion in a file of any kind that drives a head."""

from __future__ import annotations

from pathlib import Path

from arguments.errors import EGSTalkerError
from motion.csv_table import CsvTable
from motion.driver import DrivenMotion
from motion.model_motion import ModelMotion
from motion.table_driver import read_code_array, read_codes


def read_motion(path: Path, motion: ModelMotion) -> DrivenMotion:
    """What a file makes a head do: a table of its expression codes.

    Args:
        path: of a csv or npy file.
        motion: of the head.

    Raises:
        EGSTalkerError: the file is of no such kind, damaged, or another head's.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        return read_code_array(path, len(motion.code))
    if kind != ".csv":
        raise EGSTalkerError(f"{path} is no motion; give a .csv or .npy file")
    return read_codes(CsvTable.read(path), len(motion.code))
