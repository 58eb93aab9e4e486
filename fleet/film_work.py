"""Some films, made on the machine where this runs: what a Ray task calls. It starts :mod:`fleet.film_program`."""

from __future__ import annotations

import json
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from arguments.atomic import write_json
from fleet.failures import failure_of, failure_of_error
from fleet.work import Outcome, run_program


@dataclass(frozen=True)
class FilmsOfHead:
    """What one head is to say."""

    head: str
    """Its name."""
    model: str
    """Its folder or file."""
    films: tuple[tuple[str, str, str], ...]
    """Of each film its name, its sound and its target."""


@dataclass(frozen=True)
class FilmOrder:
    """Films that are to be made by one program."""

    path: str
    """Of the order's files, without their endings: .json is the order, .jsonl its manifest, .log what is said."""
    heads: tuple[FilmsOfHead, ...]
    seed: int
    cores: int
    gpu: bool
    checkout: str = ""
    """Whose program it is; the machine's own where it is empty."""

    @classmethod
    def from_json(cls, data: bytes) -> FilmOrder:
        """Of the file that :meth:`command` writes."""
        value = json.loads(data)
        heads = [{**one, "films": tuple(map(tuple, one["films"]))} for one in value["heads"]]
        return cls(**{**value, "heads": tuple(FilmsOfHead(**one) for one in heads)})

    @property
    def title(self) -> str:
        """Whose films they are."""
        others = len(self.heads) - 1
        return self.heads[0].head + (f" and {others} more" if others else "")

    @property
    def json(self) -> Path:
        return Path(f"{self.path}.json")

    @property
    def manifest(self) -> Path:
        return Path(f"{self.path}.jsonl")

    @property
    def log(self) -> Path:
        return Path(f"{self.path}.log")

    def command(self) -> list[str]:
        """The program's words; the order is then in its file."""
        write_json(self.json, asdict(self))
        return [sys.executable, "-m", "fleet.film_program", str(self.json)]

    def carry_out(self) -> Outcome:
        """Run the program. Nothing is raised but what ends the worker itself."""
        begun, place = time.monotonic(), socket.gethostname()
        try:
            code = run_program(self.command(), f"films of {self.title}", self.cores, self.checkout, self.log)
        except OSError as error:
            return Outcome(time.monotonic() - begun, place, {}, failure_of_error(error))
        failure = failure_of(code, self.log) if code else None
        return Outcome(time.monotonic() - begun, place, {}, failure)
