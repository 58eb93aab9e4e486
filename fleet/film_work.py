"""Some films of one head, made on the machine where this runs: what a Ray task calls, and the program that it starts.

The program, ``python -m fleet.film_work ORDER.json``, loads the head once and adds a line to the order's own manifest
as each film ends; so whoever looks there knows how far it is, and what is whole is known however the program ends.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from arguments.atomic import write_json
from arguments.device import CPU
from arguments.errors import EGSTalkerError, door, end_on_sigterm
from fleet.failures import failure_of, failure_of_error
from fleet.manifest import DONE, FAILED, INPUT, Manifest, Record, printable
from fleet.work import Outcome, run_program


@dataclass(frozen=True)
class FilmOrder:
    """Films that are to be made by one program."""

    path: str
    """Of the order's files, without their endings: .json is the order, .jsonl its manifest, .log what is said."""
    head: str
    """The head's name."""
    model: str
    """Its folder or file."""
    films: tuple[tuple[str, str, str], ...]
    """Of each film its name, its sound and its target."""
    seed: int
    cores: int
    gpu: bool
    checkout: str = ""
    """Whose program it is; the machine's own where it is empty."""

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
        return [sys.executable, "-m", "fleet.film_work", str(self.json)]

    def carry_out(self) -> Outcome:
        """Run the program. Nothing is raised but what ends the worker itself."""
        begun, place = time.monotonic(), socket.gethostname()
        try:
            code = run_program(self.command(), f"films of {self.head}", self.cores, self.checkout, self.log)
        except OSError as error:
            return Outcome(time.monotonic() - begun, place, {}, failure_of_error(error))
        failure = failure_of(code, self.log) if code else None
        return Outcome(time.monotonic() - begun, place, {}, failure)


def make(order: FilmOrder, say: Callable[[Record], None]) -> None:
    """Make the films of an order that are not there yet; ``say`` takes the line of each as it ends.

    Raises:
        EGSTalkerError: the head cannot be loaded, or nothing can be written.
        OSError: a disk is full, or failing.
    """
    from gaussian_renderer.devices import choose_device  # these load PyTorch
    from scene.head_file import opened
    from synthesis.films import Speaker, WantedFilm, make_films

    place, wanted = socket.gethostname(), {}
    for name, sound, target in order.films:
        wanted[WantedFilm(Path(sound), Path(target), order.seed)] = name
    device = choose_device(None if order.gpu else CPU)
    with (
        opened(Path(order.model)) as model,
        contextlib.closing(make_films(Speaker.load(model, device), list(wanted))) as films,
    ):
        for made in films:
            record = Record(order.head, wanted[made.wanted], DONE, seconds=round(made.seconds, 2), place=place)
            if made.error:
                said = printable(made.error)
                say(Record(order.head, record.stage, FAILED, why=said, kind=INPUT, place=place))
            else:
                say(Record(**{**asdict(record), "frames": float(made.frames)}))


@door
def main() -> None:
    if len(sys.argv) != 2:
        raise EGSTalkerError("this program takes the file of an order")
    end_on_sigterm()
    value = json.loads(Path(sys.argv[1]).read_bytes())
    order = FilmOrder(**{**value, "films": tuple(map(tuple, value["films"]))})
    with contextlib.closing(Manifest(order.manifest)) as manifest:
        make(order, manifest.add)


if __name__ == "__main__":
    sys.exit(main())
