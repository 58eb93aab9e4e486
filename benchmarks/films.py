"""Many films against one at a time: ``python -m benchmarks.films --model_path M [M ...] [--device cpu|cuda]``.

So many heads say so many sounds twice on the same device: by a loop over ``predict.py``, a program for each film, and
by ``./fleet.sh films``. Without Ray the second is the program that its workers run.
The sounds are noise in syllables, each of another seed. ``first`` is the time until a head's first film is whole, from
when the head before it was done; ``each`` that of every further one. A film by ``predict.py`` comes before, uncounted:
what is compiled is compiled then. ``--loop 9`` lets the loop make the first nine films alone: each is a program of its
own, so more of them tell no more.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arguments.atomic import write_json
from arguments.clock import SAMPLE_RATE
from arguments.device import on_gpu
from arguments.errors import EGSTalkerError, door
from benchmarks.commands import ROOT, last_line
from fleet.film_work import FilmOrder, FilmsOfHead
from fleet.manifest import DONE, Record, read_manifest
from media.sound import write_wav

SYLLABLES = 3  # a second
AS_NICE = {"RAY_worker_niceness": "0"}  # as the loop's programs: Ray's workers give way to others otherwise


@dataclass(frozen=True)
class Timed:
    """Films that were made one way."""

    how: str
    films: int
    seconds: float
    records: tuple[Record, ...] = ()
    """Of each film when it was whole, where that is known."""

    def row(self, begun: float) -> dict[str, Any]:
        """Its figures; ``begun``: when, in seconds since 1970."""
        row = {"how": self.how, "films": self.films, "seconds": self.seconds, "films_an_hour": 3600 * self.rate}
        by_head = itertools.groupby(sorted(self.records, key=lambda one: one.when), lambda one: one.name)
        first, each, last = [], [], begun
        for _, group in by_head:
            times = [one.when for one in group]
            first.append(times[0] - last)
            each += np.diff(times).tolist()
            last = times[-1]
        return row | ({"first": float(np.mean(first)), "each": float(np.mean(each or [0.0]))} if first else {})

    @property
    def rate(self) -> float:
        """Films a second."""
        return self.films / self.seconds


def voice(seconds: float, seed: int) -> np.ndarray:
    """Noise in syllables, 16 kHz, float32 [T]."""
    time_of = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    loudness = 0.12 * np.clip(np.sin(2 * np.pi * SYLLABLES * time_of), 0.05, 1)
    return (loudness * np.random.default_rng(seed).normal(size=len(time_of))).astype(np.float32)


def by_loop(heads: Sequence[Path], sounds: Sequence[Path], out: Path, device: str, most: int | None = None) -> Timed:
    """A program for each film; ``most``: so many of them, every sound of the first heads."""
    pairs = list(itertools.islice(itertools.product(heads, sounds), most))
    begun = time.perf_counter()
    for head, sound in pairs:
        where = ["--audio_path", sound, "--model_path", head, "--output_dir", out / head.stem, "--device", device]
        run([sys.executable, "predict.py", *map(str, where)])
    seconds = time.perf_counter() - begun
    check(out, len(pairs))
    return Timed("a loop over predict.py", len(pairs), seconds)


def by_fleet(
    heads: Sequence[Path], sounds: Sequence[Path], out: Path, device: str, gpu_share: float | None = None
) -> Timed:
    """A head is loaded once; on Ray, where it is installed, with that share of a card for each program."""
    count = len(heads) * len(sounds)
    begun = time.perf_counter()
    if has_ray():
        given = gpu_share if on_gpu(device) else 0.0
        share = [] if given is None else ["--gpu_share", str(given)]
        folders = [heads[0].parent, sounds[0].parent]
        run([sys.executable, "fleet.py", "films", *map(str, folders), "--out", str(out), *share])
        seconds = time.perf_counter() - begun
        how, records = "fleet films, on Ray", read_manifest(out / "manifest.jsonl")
    else:
        out.mkdir()
        orders = [
            FilmsOfHead(
                head.stem, str(head), tuple((s.stem, str(s), str(out / head.stem / f"{s.stem}.mp4")) for s in sounds)
            )
            for head in heads
        ]
        order = FilmOrder(str(out / "order"), tuple(orders), 0, 1, gpu=on_gpu(device))
        run(order.command())
        records = read_manifest(order.manifest)
        seconds = time.perf_counter() - begun
        how = "fleet films without Ray (it is not installed): its program"
    check(out, count)
    return Timed(how, count, seconds, tuple(record for record in records if record.state == DONE))


def has_ray() -> bool:
    """Whether Ray is installed."""
    return importlib.util.find_spec("ray") is not None


def run(command: list[str]) -> None:
    """Run a program of the checkout. Raises EGSTalkerError with its last line where it fails."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **AS_NICE}, capture_output=True)
    if done.returncode:
        raise EGSTalkerError(f"{' '.join(command[1:3])} failed: {last_line(done.stderr)}")


def check(out: Path, count: int) -> None:
    """Raise EGSTalkerError where a folder does not hold so many films."""
    there = len(list(out.glob("*/[!.]*.mp4")))
    if there != count:
        raise EGSTalkerError(f"{there} films of {count} were made")


def measure(
    models: Sequence[Path],
    heads: int,
    sounds: int,
    seconds: float,
    device: str,
    work: Path,
    most: int | None = None,
    gpu_share: float | None = None,
) -> dict[str, Any]:
    """The figures of both ways; see the module.

    Args:
        models: folders and head files, taken again in turn where there are fewer than ``heads``.
        heads: their number.
        sounds: their number.
        seconds: of each sound.
        device: on which films are made.
        work: an empty folder.
        most: films that the loop makes; all if None.
        gpu_share: of a card, for each of the fleet's programs; its own choice if None.

    Raises:
        EGSTalkerError: a film was not made.
    """
    (work / "heads").mkdir()
    (work / "sounds").mkdir()
    for number, model in enumerate(itertools.islice(itertools.cycle(models), heads)):
        (work / "heads" / f"head{number}{model.suffix if model.is_file() else ''}").symlink_to(model.resolve())
    for number in range(sounds):
        write_wav(work / "sounds" / f"sound{number:03}.wav", voice(seconds, number))
    there, files = (sorted((work / name).iterdir()) for name in ("heads", "sounds"))
    by_loop(there[:1], files[:1], work / "warm", device)
    fleet_begun = time.time()
    fleet = by_fleet(there, files, work / "fleet", device, gpu_share).row(fleet_begun)
    loop_begun = time.time()
    loop = by_loop(there, files, work / "loop", device, most).row(loop_begun)
    return {"device": device, "loop": loop, "fleet": fleet, "ratio": fleet["films_an_hour"] / loop["films_an_hour"]}


def table(figures: dict[str, Any]) -> str:
    """The figures in lines."""
    lines = []
    for row in (figures["loop"], figures["fleet"]):
        lines.append(f"{row['how']}:")
        lines.append(f"  {row['films']} films in {row['seconds']:.1f} s, {row['films_an_hour']:.0f} films an hour")
        if "first" in row:
            lines.append(f"  a head's first film takes {row['first']:.1f} s, each further one {row['each']:.2f} s")
    return "\n".join([*lines, f"{figures['ratio']:.2f} times as many, on {figures['device']}"])


def main() -> None:
    """Measure models and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.films", description="Many films against one at a time.")
    parser.add_argument("--model_path", type=Path, nargs="+", required=True, help="model folders, or .head files")
    parser.add_argument("--heads", type=int, default=3, help="models are taken again where there are fewer (3)")
    parser.add_argument("--sounds", type=int, default=20, help="that each head says (20)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each sound (3)")
    parser.add_argument("--loop", type=int, metavar="N", help="films that the loop makes (all)")
    parser.add_argument("--gpu_share", type=float, metavar="F", help="as for ./fleet.sh")
    parser.add_argument("--device", help="cpu or cuda (what is here and can render)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    if not (1 <= options.heads <= 1000 and 1 <= options.sounds <= 1000 and 0.04 <= options.seconds <= 3600):
        raise EGSTalkerError("--heads and --sounds are from 1 to 1000, --seconds from 0.04 to 3600")
    if options.loop is not None and options.loop < 1:
        raise EGSTalkerError(f"--loop must be at least 1, not {options.loop}")
    if missing := [path for path in options.model_path if not path.exists()]:
        raise EGSTalkerError(f"there is no model {missing[0]}")
    from gaussian_renderer.devices import choose_device  # loads PyTorch

    device = choose_device(options.device)
    with tempfile.TemporaryDirectory(prefix="egstalker-films-") as work:
        counts = options.heads, options.sounds, options.seconds
        figures = measure(options.model_path, *counts, device, Path(work), options.loop, options.gpu_share)
    print(table(figures))
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    raise SystemExit(door(main)())
