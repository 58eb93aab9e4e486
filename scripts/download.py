#!/usr/bin/env python3
"""Fetch optional model files: what ./download_models.sh and ./download_bfm.sh call."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import urllib.parse
from collections import Counter
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first on the path; the packages lie one above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from arguments.errors import door
from scripts.downloads.catalogue import RECORDED, ModelFile, ModelSet, read_catalogue, read_recorded, record
from scripts.downloads.fetch import FetchError, NoRoom, fetch, sha256_of

ROOT = Path(__file__).resolve().parent.parent
REFUSED = 3  # exit code: a licence was not accepted
SECONDS_BETWEEN_LINES = 10.0

BFM_LICENCE = """\
The Basel Face Model (Paysan, Knothe, Amberg, Romdhani, Vetter, "A 3D Face Model for Pose and Illumination Invariant
Face Recognition", 2009) is the University of Basel's, which gives it for research and evaluation only: no commercial
use, not to be passed on, and the paper is to be cited. The university asks every user to register:
https://faces.dmi.unibas.ch/bfm/main.php?nav=1-2&id=downloads
The expressions are for research only as well. A copy of yours is taken with MODEL_MIRROR=file:///its/folder."""


def parse() -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="download.py", description=__doc__)
    parser.add_argument("catalogue", choices=["models", "bfm"])
    parser.add_argument("names", nargs="*", help="sets of files (all)")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    parser.add_argument("--verify", action="store_true", help="check the files that are there against their checksums")
    options = parser.parse_args()
    known = [files.name for files in read_catalogue(options.catalogue)]
    for name in options.names:
        if name not in known:
            parser.error(f"there is no {name!r}; choose from {', '.join(known)}")
    return options


@door
def main() -> int:
    options = parse()
    sets = [files for files in read_catalogue(options.catalogue) if not options.names or files.name in options.names]
    recorded = read_recorded(ROOT)
    wanted = [file for files in sets for file in files.files if not _is_there(file, recorded, options.verify)]
    _state(sets, wanted, recorded)
    if options.list or not wanted:
        return 0
    if options.catalogue == "bfm" and not _accepted():
        return REFUSED
    try:
        _check_room(wanted)
    except NoRoom as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    return _fetch_all(wanted, recorded, _ambiguous(options.catalogue))


def _is_there(file: ModelFile, recorded: dict[str, str], verify: bool) -> bool:
    path = ROOT / file.path
    if not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
        return False
    stated = file.sha256 or recorded.get(file.path)
    return not verify or stated is None or sha256_of(path) == stated


def _state(sets: list[ModelSet], wanted: list[ModelFile], recorded: dict[str, str]) -> None:
    """Say of every file its size, checksum, licence and source, before anything is fetched."""
    for files in sets:
        print(f"{files.name}: {files.what}. Licence: {files.licence}. {files.page}")
        for file in files.files:
            size = "size not published" if file.size is None else _megabytes(file.size)
            print(f"  {file.path} ({size}{'' if file in wanted else ', there already'})")
            if file.sha256:
                checksum = f"SHA-256 {file.sha256}"
            elif file.path in recorded:
                checksum = f"SHA-256 {recorded[file.path]} ({RECORDED})"
            else:
                checksum = f"SHA-256 not published; the first download records it in {RECORDED}"
            print(f"    {checksum}\n    {file.url}")
    unknown = " and those of unknown size" if any(file.size is None for file in wanted) else ""
    print(f"To fetch: {len(wanted)} files, {_megabytes(sum(file.size or 0 for file in wanted))}{unknown}.", flush=True)


def _accepted() -> bool:
    print(BFM_LICENCE, flush=True)
    answer = os.environ.get("ACCEPT_BFM_LICENSE", "")
    if not answer and sys.stdin.isatty():
        answer = input("Do you use it for research only, and accept these terms? [yes/no] ")
    if answer.strip().lower() in ("yes", "y"):
        return True
    print(
        "error: the licence of the Basel Face Model was not accepted; answer yes, or set ACCEPT_BFM_LICENSE=yes",
        file=sys.stderr,
    )
    return False


def _check_room(wanted: list[ModelFile]) -> None:
    needed = sum(file.size or 0 for file in wanted)
    free = shutil.disk_usage(ROOT).free
    if free < needed:
        raise NoRoom(f"{_megabytes(needed)} are needed in {ROOT}, where {_megabytes(free)} are free; free some space")


def _fetch_all(wanted: list[ModelFile], recorded: dict[str, str], ambiguous: set[str]) -> int:
    """Fetch what can be had, whatever fails; returns the exit code of the first failure."""
    code = 0
    for file in wanted:
        stated = file.sha256 or recorded.get(file.path)
        urls, member = _sources(file, ambiguous)
        say = _Progress(file.path)
        try:
            found = fetch(urls, ROOT / file.path, size=file.size, sha256=stated, member=member, progress=say)
        except FetchError as error:
            print(f"error: {error}", file=sys.stderr)
            code = code or error.code
            continue
        print(f"{file.path}: {'verified' if stated else 'fetched'}", flush=True)
        if stated is None:
            record(ROOT, file.path, found)
            print(f"its checksum is in {RECORDED} now; commit it to have later downloads verified", flush=True)
    return code


def _ambiguous(catalogue: str) -> set[str]:
    """File names that more than one set has."""
    names = Counter(Path(file.path).name for files in read_catalogue(catalogue) for file in files.files)
    return {name for name, count in names.items() if count > 1}


def _sources(file: ModelFile, ambiguous: set[str]) -> tuple[list[str], str | None]:
    """Where to look for a file, and what to take out of what is found.

    MODEL_MIRROR is a URL or a folder with the files as they lie in a checkout or, where that is clear, side by side.
    """
    mirror = os.environ.get("MODEL_MIRROR", "").rstrip("/")
    if not mirror:
        return [file.url], file.member
    if "://" not in mirror:
        mirror = Path(mirror).resolve().as_uri()
    name = Path(file.path).name
    places = [file.path] if name in ambiguous else [file.path, name]
    return [f"{mirror}/{urllib.parse.quote(place)}" for place in places], None


class _Progress:
    """Says how far a download is: on a terminal always, else every ten seconds."""

    def __init__(self, name: str) -> None:
        self.name, self.said = name, time.monotonic()

    def __call__(self, there: int, total: int | None) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if now - self.said < (0.2 if terminal else SECONDS_BETWEEN_LINES) and there != total:
            return
        self.said = now
        share = f" of {_megabytes(total)}" if total else ""
        line = f"{self.name}: {_megabytes(there)}{share}"
        if terminal:
            print(f"\r\033[K{line}", end="\n" if there == total else "", file=sys.stderr, flush=True)
        elif there != total:
            print(line, file=sys.stderr, flush=True)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count:,} bytes"


if __name__ == "__main__":
    sys.exit(main())
