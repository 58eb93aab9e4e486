"""``python -m fleet.film_program ORDER.json``: make the films of an order that are not there yet.

Each head is loaded once, one after the other. As a film ends, a line is added to the order's own manifest: so whoever
looks there knows how far it is, and what is whole is known however the program ends.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from arguments.device import CPU
from arguments.errors import EGSTalkerError, door, end_on_sigterm, one_line
from arguments.foreign_text import printable
from fleet.film_work import FilmOrder, FilmsOfHead
from fleet.manifest import DONE, FAILED, INPUT, Manifest, Record
from gaussian_renderer.devices import choose_device
from scene.head_file import opened
from synthesis.films import Speaker, WantedFilm, make_films


def make(order: FilmOrder, say: Callable[[Record], None]) -> None:
    """Make films; ``say`` takes the line of each as it ends.

    A head that cannot be loaded, or whose films cannot be written, costs its own films alone.

    Raises:
        EGSTalkerError: there is no device for them.
        OSError: a disk is full, or failing.
    """
    device = choose_device(None if order.gpu else CPU)
    for ours in order.heads:
        wanted = {WantedFilm(Path(sound), Path(target), order.seed): name for name, sound, target in ours.films}
        left = {one: name for one, name in wanted.items() if not one.target.exists()}
        try:
            _make_of_head(ours, left, device, say)
        except EGSTalkerError as error:
            print(f"{ours.head}: {one_line(error)}", file=sys.stderr, flush=True)
            for name in left.values():
                say(_failed(ours.head, name, one_line(error)))


def _make_of_head(ours: FilmsOfHead, left: dict[WantedFilm, str], device: str, say: Callable[[Record], None]) -> None:
    """Make its films; those that have ended are taken from ``left``."""
    with (
        opened(Path(ours.model)) as model,
        contextlib.closing(make_films(Speaker.load(model, device), list(left))) as films,
    ):
        for made in films:
            name = left.pop(made.wanted)
            if made.error:
                say(_failed(ours.head, name, made.error))
                continue
            seconds, place = round(made.seconds, 2), socket.gethostname()
            say(Record(ours.head, name, DONE, seconds=seconds, place=place, frames=float(made.frames)))


def _failed(head: str, name: str, why: str) -> Record:
    return Record(head, name, FAILED, why=printable(why), kind=INPUT, place=socket.gethostname())


@door
def main() -> None:
    if len(sys.argv) != 2:
        raise EGSTalkerError("this program takes the file of an order")
    end_on_sigterm()
    order = FilmOrder.from_json(Path(sys.argv[1]).read_bytes())
    with contextlib.closing(Manifest(order.manifest)) as manifest:
        make(order, manifest.add)


if __name__ == "__main__":
    sys.exit(main())
