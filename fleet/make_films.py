"""The command that makes films: heads and sounds, or a table of pairs, become a folder of films."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from arguments.errors import EGSTalkerError
from arguments.locks import exclusive
from fleet.cluster import started_cluster
from fleet.driver import Options
from fleet.film_driver import FilmDriver
from fleet.film_folder import FilmFolder
from fleet.film_table import write_table
from fleet.manifest import Manifest
from fleet.pairs import Pair, all_pairs, heads_in, read_pairs, sounds_in


def wanted_pairs(
    heads: Path | None, sounds: Sequence[Path], table: Path | None, say: Callable[[str], None]
) -> list[Pair]:
    """What is to be said by whom.

    Args:
        heads: a folder of heads; with a table it may be left out.
        sounds: sounds, and folders of them; as well.
        table: of pairs; without it every head says every sound.
        say: takes a line for each row of the table that will not do.

    Raises:
        EGSTalkerError: something is not there, or a row will not do.
    """
    if table is None and (heads is None or not sounds):
        raise EGSTalkerError("give a folder of heads and one of sounds, or --pairs")
    there = {} if heads is None else heads_in(heads)
    files = sounds_in(sounds) if sounds else []
    return all_pairs(there, files) if table is None else read_pairs(table, there, files, say)


def make_films(
    out: str, pairs: Sequence[Pair], options: Options, say: Callable[[str], None], *, seed: int = 0, checkout: str = ""
) -> int:
    """Make a film of each pair, or go on with those that are begun.

    Args:
        out: folder of the films.
        pairs: of head and sound.
        options: how the work is spread.
        say: takes lines of progress.
        seed: of everything random in them.
        checkout: whose program is run; each machine's own where it is empty.

    Returns:
        How many of them have failed.

    Raises:
        EGSTalkerError: a head or a sound cannot be read, another driver is at work there, or Ray does not start.
    """
    folder = FilmFolder(out)
    with exclusive(folder.root):
        films = folder.ask(pairs, seed)
        with (
            contextlib.closing(Manifest(folder.manifest)) as manifest,
            started_cluster(say, options.cpu_label) as cluster,
        ):
            try:
                return FilmDriver(folder, manifest, cluster, options, seed, say, checkout).run(films)
            finally:
                say(str(write_table(folder)))
