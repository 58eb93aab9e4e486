"""What the log of a command says of its end: its last lines, and the one with which it failed."""

from __future__ import annotations

import os
from pathlib import Path

TAIL = 1 << 16  # bytes of a log that are read: many minutes of it
BEGINS = "== "  # a line that begins so heads the output of the next command in the same log
MOST = 500  # letters of a line that is shown


def lines_of(path: Path) -> list[str]:
    """The lines of the command that a log tells of last, as far as its tail has them; none where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read(TAIL).decode(errors="replace").splitlines()
    except OSError:
        return []
    begins = [i for i, line in enumerate(lines) if line.startswith(BEGINS)]
    return lines[begins[-1] + 1 :] if begins else lines


def said_error(path: Path) -> str:
    """The line of its own with which a command says why it failed, without ``error: ``; empty where there is none."""
    said = [line.removeprefix("error: ") for line in lines_of(path) if line.startswith("error: ")]
    return said[-1][:MOST] if said else ""


def last_error(path: Path) -> str:
    """The line with which a command or Python says why it failed; empty where neither does."""
    lines = [line for line in lines_of(path) if line.strip()]
    return said_error(path) or (lines[-1][:MOST] if lines and "Error" in lines[-1] else "")
