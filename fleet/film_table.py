"""All films of a folder in one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from fleet.film_folder import TABLE, Film, FilmFolder
from fleet.manifest import DONE, FAILED, SKIPPED, Record, latest, read_manifest
from fleet.overview import FAILED_IN, WAITING, WHOLE
from fleet.report import tame

COLUMNS = ("head", "film", "state", "seconds", "frames", "made_in", "why", "kind", "machine", "sound", "model")


@dataclass(frozen=True)
class FilmRow:
    """One film."""

    film: Film
    state: str
    """WHOLE, FAILED_IN or WAITING."""
    frames: float
    """0 where it is not known."""
    made_in: float
    """Seconds from its first frames until it was whole; others were made meanwhile. 0 where they are not known."""
    why: str = ""
    kind: str = ""
    machine: str = ""


def rows_of(folder: FilmFolder) -> list[FilmRow]:
    """All films of a folder, by head and name.

    Raises:
        EGSTalkerError: there are none, or a file of the folder is damaged.
    """
    films = sorted(folder.films(), key=lambda film: (film.head, film.name))
    if not films:
        raise EGSTalkerError(f"there are no films in {folder.root}; ./fleet.sh films makes some")
    records = read_manifest(folder.manifest)
    last, made = latest(records), latest(record for record in records if record.state in (DONE, SKIPPED))
    return [_row(folder, film, last.get((film.head, film.name)), made.get((film.head, film.name))) for film in films]


def write_table(folder: FilmFolder) -> Path:
    """Write films.csv; returns where it is. Raises as :func:`rows_of`."""
    path = folder.root / TABLE
    with atomic_path(path) as temporary:
        temporary.write_text(table(rows_of(folder)))
    return path


def table(rows: Sequence[FilmRow]) -> str:
    """The rows as CSV: a film a line."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        figures = [f"{row.frames / FPS:.2f}", f"{row.frames:.0f}"] if row.frames else ["", ""]
        film = row.film
        cells = [film.head, film.name, row.state, *figures, row.made_in or "", row.why, row.kind, row.machine]
        cells += [film.sound, film.model]
        writer.writerow([tame(cell) if isinstance(cell, str) else cell for cell in cells])
    return file.getvalue()


def as_text(rows: Sequence[FilmRow]) -> str:
    """A line for each head and for each film that failed, then how many are how far."""
    by_head: dict[str, list[FilmRow]] = {}
    for row in rows:
        by_head.setdefault(row.film.head, []).append(row)
    lines = []
    for head, ours in by_head.items():
        lines.append(f"{head}: {_words(ours)}")
        lines += [f"  {row.film.name}: {row.why}" for row in ours if row.why]
    return "\n".join([*lines, f"all: {_words(rows)}"])


def as_json(rows: Sequence[FilmRow]) -> list[dict[str, Any]]:
    """The same for programs, film by film; what is not known of a film is null."""
    return [
        {
            "head": row.film.head,
            "film": row.film.name,
            "state": row.state,
            "frames": row.frames or None,
            "made_in": row.made_in or None,
            "why": row.why,
            "kind": row.kind,
            "machine": row.machine,
            "sound": row.film.sound,
            "model": row.film.model,
        }
        for row in rows
    ]


def _words(rows: Sequence[FilmRow]) -> str:
    counts = [f"{sum(row.state == state for row in rows)} {state}" for state in (WHOLE, FAILED_IN, WAITING)]
    return f"{len(rows)} films: {', '.join(counts)}; {sum(row.frames for row in rows) / FPS:.0f} s of film"


def _row(folder: FilmFolder, film: Film, last: Record | None, made: Record | None) -> FilmRow:
    if folder.target(film).exists():
        known = made or Record(film.head, film.name, DONE)
        return FilmRow(film, WHOLE, known.frames, known.seconds, machine=known.place)
    if last is not None and last.state == FAILED:
        return FilmRow(film, FAILED_IN, 0.0, 0.0, last.why, last.kind, last.place)
    return FilmRow(film, WAITING, 0.0, 0.0)
