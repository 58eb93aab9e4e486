"""The table of figures that were kept, an entry for each machine, dataset and configuration: ``reference.json``."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError, one_line
from benchmarks.figures import Better, Figure


@dataclass(frozen=True)
class Subject:
    """What figures are of: those of equal subjects may be compared. Names tell people, digests tell files apart.

    Attributes:
        device: the GPU's name, or the processor's and the number of threads.
        dataset: name of its folder.
        dataset_digest: SHA-256 of its transforms_train.json; empty for the built-in sample, which is made on the spot.
        configuration: name of its file.
        configuration_digest: SHA-256 of it.
        iterations: of the fine stage.
    """

    device: str
    dataset: str = field(compare=False)
    dataset_digest: str
    configuration: str = field(compare=False)
    configuration_digest: str
    iterations: int

    def __str__(self) -> str:
        return f"{self.device}: {self.dataset} with {self.configuration}, {self.iterations} iterations"


@dataclass(frozen=True)
class Entry:
    """Figures that were kept, and when, of which commit and with what software they were measured."""

    subject: Subject
    commit: str
    date: str
    software: str
    figures: tuple[Figure, ...]


def read_reference(path: Path) -> list[Entry]:
    """The entries of a reference.json; none where there is no such file.

    Raises:
        EGSTalkerError: it is something else than :func:`keep` writes.
    """
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, list):
            raise TypeError("it is no list")
        return [_entry(one) for one in value]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        cure = "bring it back from git, or give another --reference"
        raise EGSTalkerError(f"{path} is no table of reference figures ({one_line(error)}); {cure}") from error


def entry_of(entries: Sequence[Entry], subject: Subject) -> Entry | None:
    """The entry of an equal subject, if there is one."""
    return next((entry for entry in entries if entry.subject == subject), None)


def keep(path: Path, entry: Entry) -> None:
    """Write ``entry`` into a reference.json, in the place of that of its subject or in the end.

    Raises:
        EGSTalkerError: the file is damaged.
    """
    entries = read_reference(path)
    places = {one.subject: one for one in entries} | {entry.subject: entry}
    write_json(path, [_as_json(one) for one in places.values()])


def _as_json(entry: Entry) -> dict[str, Any]:
    about = {name: getattr(entry, name) for name in ("commit", "date", "software")}
    return {"subject": dataclasses.asdict(entry.subject), **about, "figures": figures_as_json(entry.figures)}


def figures_as_json(figures: Sequence[Figure]) -> dict[str, dict[str, Any]]:
    """Figures by their names."""
    fields = ("value", "noise", "unit", "better")
    return {figure.name: {name: getattr(figure, name) for name in fields} for figure in figures}


def _entry(value: Mapping[str, Any]) -> Entry:
    about = {name: _words(value[name], name) for name in ("commit", "date", "software")}
    return Entry(
        subject=_subject(value["subject"]),
        figures=tuple(_figure(name, one) for name, one in value["figures"].items()),
        **about,
    )


def _subject(value: Mapping[str, Any]) -> Subject:
    iterations = value["iterations"]
    if type(iterations) is not int:
        raise TypeError(f"iterations is no whole number: {iterations!r}")
    names = [one.name for one in dataclasses.fields(Subject) if one.name != "iterations"]
    return Subject(iterations=iterations, **{name: _words(value[name], name) for name in names})


def _figure(name: str, value: Mapping[str, Any]) -> Figure:
    if value["better"] not in get_args(Better):
        raise ValueError(f"{name}: better is {value['better']!r}")
    noise = None if value["noise"] is None else _number(value["noise"], f"the noise of {name}")
    if noise is not None and noise < 0:
        raise ValueError(f"the noise of {name} is {noise}")
    unit = _words(value["unit"], f"the unit of {name}")
    return Figure(_words(name, "a figure's name"), _number(value["value"], name), unit, value["better"], noise)


def _words(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError(f"{name} is no line of text: {value!r}")
    return value


def _number(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{name} is no number: {value!r}")
    return float(value)
