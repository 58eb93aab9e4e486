"""Tables of numbers as people and programs write them: csv, read with suspicion."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from arguments.errors import EGSTalkerError
from motion.driver import LONGEST

MOST_ROWS = round(LONGEST * 240)  # an hour, at any rate that cameras have


@dataclass(frozen=True)
class CsvTable:
    """Names of columns and M rows of text, every row of as many cells."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def read(cls, path: Path) -> CsvTable:
        """Read a table. Blank lines are passed over.

        Raises:
            EGSTalkerError: it is missing, no text, empty or too long, or a row is of another length than the header.
        """
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                lines = (row for row in csv.reader(file) if any(cell.strip() for cell in row))
                header = tuple(name.strip() for name in next(lines, []))
                rows = tuple(_whole(lines, len(header), path))
        except FileNotFoundError:
            raise EGSTalkerError(f"there is no {path}") from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise EGSTalkerError(f"{path} is no csv table; write it as text, values parted by commas") from error
        if not rows:
            raise EGSTalkerError(f"{path} is empty; it needs a header and a row for each frame")
        if len(set(header)) < len(header):
            raise EGSTalkerError(f"{path} has two columns of one name; remove one")
        return cls(path, header, rows)

    def numbers(self, columns: Sequence[str]) -> Float[np.ndarray, "M D"]:
        """The columns of these names, which are there.

        Raises:
            EGSTalkerError: a cell is no finite number.
        """
        places = [self.header.index(name) for name in columns]
        try:
            values = np.array([[float(row[k]) for k in places] for row in self.rows])
        except ValueError:
            values = np.array([[_number(row[k]) for k in places] for row in self.rows])
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            row, column = wrong[0]
            cell = self.rows[row][places[column]]
            raise EGSTalkerError(f"{self.path}: {columns[column]} of row {row + 1} is {cell[:20]!r}, no finite number")
        return values


def _whole(lines: Iterable[list[str]], width: int, path: Path) -> Iterable[tuple[str, ...]]:
    for number, row in enumerate(lines, start=1):
        if len(row) != width:
            raise EGSTalkerError(
                f"{path}: row {number} has {len(row)} values under a header of {width}; write decimal points, and "
                "commas between values"
            )
        if number > MOST_ROWS:
            raise EGSTalkerError(f"{path} has more than {MOST_ROWS} rows; cut it into parts")
        yield tuple(row)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
