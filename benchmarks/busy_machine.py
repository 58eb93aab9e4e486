"""What other programs on the machine cost: ``python -m benchmarks.busy_machine [--neighbours 0 1 4] COMMAND...``.

Runs a command of the project's beside so many busy loops, in turns with the bounded wait of its threads (see
:mod:`arguments.threads`) and with the OpenMP library's own, and prints the seconds. ::

    python -m benchmarks.busy_machine train.py -s data/input --model_path {work}/m --iterations 60

``{work}`` in the command is a new, empty folder for each run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError, door
from arguments.threads import WAIT
from benchmarks.commands import ROOT, last_line

LIBRARYS_OWN = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"}  # GNU's and LLVM's defaults, where nothing is set
BUSY = "while True: pass"


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many other programs that never rest."""
    programs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def seconds_of(command: Sequence[str], wait: dict[str, str]) -> float:
    """Wall-clock seconds of one run.

    Raises:
        EGSTalkerError: the command failed; the message ends with its last line.
    """
    with tempfile.TemporaryDirectory() as work:
        words = [sys.executable, *(word.replace("{work}", work) for word in command)]
        begun = time.perf_counter()
        done = subprocess.run(words, cwd=ROOT, env={**os.environ, **wait}, capture_output=True)
        seconds = time.perf_counter() - begun
    if done.returncode:
        raise EGSTalkerError(f"{' '.join(command)} failed: {last_line(done.stderr)}")
    return seconds


def measure(command: Sequence[str], counts: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """One row for each number of neighbours: {neighbours, bounded, library} with median seconds of either wait."""
    rows = []
    for count in counts:
        times: dict[str, list[float]] = {"bounded": [], "library": []}
        with neighbours(count):
            for _ in range(repeats):
                times["bounded"].append(seconds_of(command, WAIT))
                times["library"].append(seconds_of(command, LIBRARYS_OWN))
        rows.append({"neighbours": count, **{name: round(median(values), 2) for name, values in times.items()}})
    return rows


@door
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy_machine", description=__doc__.splitlines()[0])
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1, 4], help="busy loops beside it (0 1 4)")
    parser.add_argument("--repeats", type=int, default=1, help="the median of so many runs of either kind (1)")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a program of the checkout and its arguments")
    options = parser.parse_args()
    if not options.command:
        parser.error("name a command, such as train.py ...")
    rows = measure(options.command, options.neighbours, options.repeats)
    print("neighbours  bounded wait (s)  library's own (s)")
    for row in rows:
        print(f"{row['neighbours']:>10}  {row['bounded']:>16.1f}  {row['library']:>17.1f}")
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
