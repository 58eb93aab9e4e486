"""A motion in a file of any kind that drives a head."""

from __future__ import annotations

from pathlib import Path

from arguments.errors import EGSTalkerError
from motion.arkit_driver import is_arkit, read_blendshape_json, read_live_link
from motion.csv_table import CsvTable
from motion.driver import DrivenMotion
from motion.model_motion import ModelMotion
from motion.table_driver import read_code_array, read_codes


def read_motion(path: Path, motion: ModelMotion) -> DrivenMotion:
    """What a file makes a head do: a table of its expression codes, or ARKit's blendshapes.

    Args:
        path: of a csv, npy or json file.
        motion: of the head.

    Raises:
        EGSTalkerError: the file is of no such kind, damaged, or another head's.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        return read_code_array(path, len(motion.code))
    if kind == ".json":
        return read_blendshape_json(path, motion)
    if kind != ".csv":
        raise EGSTalkerError(f"{path} is no motion; give a .csv, .npy or .json file")
    table = CsvTable.read(path)
    return read_live_link(table, motion) if is_arkit(table) else read_codes(table, len(motion.code))
