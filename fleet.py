#!/usr/bin/env python3
"""Many videos become many heads, many heads many films: ``fleet.sh heads videos/ --out farm/``. See docs/fleet.md."""

from __future__ import annotations

import argparse
import functools
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from arguments.errors import EGSTalkerError, door

_PREFIX = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?"
_PART = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
LABEL = re.compile(rf"((?:{_PREFIX}/)?{_PART})=({_PART})")
"""Of a machine, as Ray takes them (docs.ray.io, "Use labels to control scheduling"); no selector as KEY=!VALUE."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="fleet.sh", description=(__doc__ or "").partition(". ")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    heads = commands.add_parser("heads", help="make a head of each video; run again, it goes on")
    heads.add_argument("videos", nargs="*", type=Path, help="videos, or folders of them (those of the farm)")
    heads.add_argument("--out", required=True, metavar="FARM", help="folder of the farm, or s3://..., gs://...")
    heads.add_argument("--configs", default="arguments/args.py", help="configuration, as for train.sh")
    for program in ("preprocess", "train", "metrics"):
        heads.add_argument(
            *(f"--{program}_options", f"--{program}-options"),
            type=_words,
            default=(),
            metavar='"OPTIONS"',
            help=f"further options of {program}",
        )
    heads.add_argument("--export", nargs="+", default=(), metavar="KIND", help="also make files: head, ply, splat, glb")
    heads.add_argument("--copy", action="store_true", help="copy the videos into the farm, instead of links to them")
    _add_machines(heads)
    films = commands.add_parser("films", help="let each head say each sound; run again, it goes on")
    films.add_argument("heads", nargs="?", type=Path, help="folder of .head files or model folders, or a farm")
    films.add_argument("sounds", nargs="*", type=Path, help="sounds, or folders of them")
    films.add_argument("--out", required=True, metavar="FILMS", help="folder of the films: FILMS/HEAD/SOUND.mp4")
    films.add_argument(
        "--pairs", type=Path, metavar="TABLE", help="csv of head, sound and, if wanted, name: these alone"
    )
    films.add_argument("--seed", type=int, default=0, help="of blinks and idle motion, as for predict.sh (0)")
    _add_machines(films)
    status = commands.add_parser("status", help="say how far each head is, or all films of each")
    status.add_argument("farm", metavar="FARM", help="or the folder of films")
    status.add_argument("--json", action="store_true", help="as JSON")
    retry = commands.add_parser("retry", help="try again what has failed, also where the input was at fault")
    retry.add_argument("farm", metavar="FARM")
    retry.add_argument("names", nargs="*", metavar="HEAD", help="these alone (all)")
    _add_machines(retry)
    report = commands.add_parser(
        "report", help="write report.html and report.csv into the farm, or films.csv beside films"
    )
    report.add_argument("farm", metavar="FARM", help="or the folder of films")
    for command in (heads, status, retry, report):
        command.add_argument("--scratch", default="", metavar="FOLDER", help="of each machine, where the farm is a URL")
    options = parser.parse_args(arguments)
    for name in ("cores", "attempts", "at_once"):
        given = getattr(options, name, None)
        if given is not None and given < 1:
            parser.error(f"--{name} is at least 1")
    if getattr(options, "seed", 0) < 0:
        parser.error("--seed is at least 0")
    if getattr(options, "gpu_share", None) is not None and not 0 <= options.gpu_share <= 1:
        parser.error("--gpu_share is from 0 to 1")
    return options


def _add_machines(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machines", "RAY_ADDRESS in the environment names a cluster; else this machine")
    group.add_argument(
        "--cores", type=int, metavar="N", help="of a stage (as many as there are for each head, up to 8)"
    )
    group.add_argument("--gpu_share", type=float, metavar="F", help="of a card for a stage that uses one; 0: no GPU")
    group.add_argument("--at_once", type=int, metavar="N", help="stages at a time (as many as the machines bear)")
    group.add_argument("--attempts", type=int, default=8, metavar="N", help="at a stage, where the machine fails (8)")
    group.add_argument(
        "--cpu_nodes", type=_label, metavar="KEY=VALUE", help="label of the nodes for stages that use no GPU"
    )


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def _label(text: str) -> tuple[str, str]:
    label = LABEL.fullmatch(text)
    if label is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE, as in ray start --labels")
    return label[1], label[2]


def _films(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from fleet.driver import Options
    from fleet.make_films import make_films, wanted_pairs

    spread = Options(options.cores, options.gpu_share, options.attempts, options.cpu_nodes, options.at_once)
    pairs = wanted_pairs(options.heads, options.sounds, options.pairs, say)
    return 1 if make_films(options.out, pairs, spread, say, seed=options.seed) else 0


def _films_there(options: argparse.Namespace) -> bool:
    """Whether it is films that status, report or retry are asked about; says what there is to say."""
    from fleet.film_folder import FilmFolder, is_film_folder

    if not is_film_folder(options.farm):
        return False
    from fleet.film_table import as_json, as_text, rows_of, write_table

    if options.command == "retry":
        raise EGSTalkerError(f"{options.farm} has films: the ./fleet.sh films that began them tries again what failed")
    folder = FilmFolder(options.farm)
    rows = rows_of(folder)
    print(json.dumps(as_json(rows), indent=2) if "json" in options and options.json else as_text(rows))
    if options.command == "report":
        print(write_table(folder))
    return True


@door
def main() -> int:
    options = parse()
    say = functools.partial(print, flush=True)
    if options.command == "films":
        return _films(options, say)
    if "farm" in options and _films_there(options):
        return 0
    from fleet.farm import Farm

    farm = Farm(options.farm if "farm" in options else options.out, options.scratch)
    if options.command == "status":
        from fleet.status import as_json, as_text

        print(json.dumps(as_json(farm), indent=2) if options.json else as_text(farm))
        return 0
    if options.command == "report":
        from fleet.report import write_report

        for key in write_report(farm):
            print(f"{farm.store.address}/{key}")
        return 0

    from fleet.driver import Options
    from fleet.heads import go_on, make_heads, retry
    from fleet.settings import Settings

    spread = Options(options.cores, options.gpu_share, options.attempts, options.cpu_nodes, options.at_once)
    if options.command == "retry":
        return 1 if retry(farm, options.names, spread, say) else 0
    if not options.videos:
        return 1 if go_on(farm, spread, say) else 0
    settings = Settings(
        options.configs,
        preprocess_options=options.preprocess_options,
        train_options=options.train_options,
        metrics_options=options.metrics_options,
        export=tuple(dict.fromkeys(options.export)),
    )
    return 1 if make_heads(farm, options.videos, settings, spread, say, copy=options.copy) else 0


if __name__ == "__main__":
    sys.exit(main())
