"""The farm's diary: a line of JSON for everything that becomes of a stage, only ever added to.

What has become of stages is brought to the disk before others are given away. What a crash or a full disk has left of a
line is cut off by the next one who writes, and what is no line of a diary is passed over by whoever reads.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from arguments.errors import EGSTalkerError
from arguments.foreign_text import printable

BEGUN, DONE, SKIPPED, AGAIN, FAILED, ASKED = "begun", "done", "skipped", "again", "failed", "asked"
"""A stage has been given away; is whole now; was whole already; failed and will be tried again; failed for good; failed
for good and shall be tried all the same."""
STATES = (BEGUN, DONE, SKIPPED, AGAIN, FAILED, ASKED)
INPUT, MACHINE = "input", "machine"
"""Whose fault a failure is: of what the stage was given, or of what it ran on."""
KINDS = ("", INPUT, MACHINE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
LONGEST = 8192  # bytes of a line


@dataclass(frozen=True)
class Record:
    """One line: what became of a stage of a head, or of a film of it."""

    name: str
    """Of the head."""
    stage: str
    """Or the film."""
    state: str
    when: float = field(default_factory=time.time)
    """Seconds since 1970."""
    seconds: float = 0.0
    """That the stage took."""
    why: str = ""
    """One line, of a failure."""
    kind: str = ""
    place: str = ""
    """The machine it ran on."""
    frames: float = 0.0
    """Of a film."""

    def line(self) -> bytes:
        """As it stands in the file."""
        return json.dumps(asdict(self), ensure_ascii=True, allow_nan=False).encode() + b"\n"


class Manifest:
    """The file, open for adding to it. One process has it open at a time: see :func:`fleet.farm.driving`."""

    def __init__(self, path: Path) -> None:
        """Open or make ``path``, and cut off what is left of a torn last line.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._heal()

    def add(self, *records: Record) -> None:
        """Write lines and bring them to the disk, all at once; on a failure the file is as it was.

        Raises:
            OSError: the disk is full, or failing.
        """
        lines, before = b"".join(record.line() for record in records), os.fstat(self._file).st_size
        try:
            if os.write(self._file, lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def _heal(self) -> None:
        size = os.fstat(self._file).st_size
        start = max(0, size - LONGEST)
        tail = os.pread(self._file, size - start, start)
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn and (torn < len(tail) or start == 0):
            os.ftruncate(self._file, size - torn)
        elif torn:  # no diary's line is so long: close it, and it is passed over
            os.write(self._file, b"\n")


def read_manifest(path: Path) -> list[Record]:
    """All lines of a manifest that are a record's, in their order; none where there is no file.

    Raises:
        EGSTalkerError: it cannot be read.
    """
    records = []
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST):
                record = _record(line) if line.endswith(b"\n") else None
                if record is not None:
                    records.append(record)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EGSTalkerError(f"{path} cannot be read: {error.strerror}") from error
    return records


def latest(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    """The last record of each stage, by the names of head and stage."""
    return {(record.name, record.stage): record for record in records}


def _record(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    words = [value.get(name, "") for name in ("name", "stage", "state", "why", "kind", "place")]
    if not all(isinstance(word, str) for word in words):
        return None
    name, stage, state, why, kind, place = words
    if not (NAME.fullmatch(name) and NAME.fullmatch(stage) and state in STATES and kind in KINDS):
        return None
    when, seconds, frames = (_number(value.get(one, 0.0)) for one in ("when", "seconds", "frames"))
    if "when" not in value or when is None or seconds is None or frames is None:
        return None
    return Record(name, stage, state, when, seconds, printable(why), kind, printable(place), frames)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
