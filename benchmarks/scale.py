"""A farm of many thousands of videos, on machines that are not there: python -m benchmarks.scale [VIDEOS:GPUS ...].

The driver, the farm with its receipts, the manifest and the report are the real ones; the machines and their clock are
those of :mod:`benchmarks.simulated_cluster`. What the driver takes is measured, in CPU seconds without the simulation's
own; hours, use of the cards and heads an hour are the simulation's. The farm is an object store in memory, as what
stages leave is not there to be looked at; a manifest line's way to the disk is measured alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError, door
from benchmarks.commands import ROOT, last_line
from benchmarks.simulated_cluster import CPU_LABEL, Faults, Killed, Machines, SimulatedCluster, StageTimes
from fleet.driver import Driver, Options
from fleet.farm import Farm, driving
from fleet.manifest import DONE, Manifest, Record
from fleet.report import write_report
from fleet.settings import Settings

SIZES = ("1000:10", "10000:100", "100000:1000")
IN_MEMORY = Path("/dev/shm")  # where the farm costs the disk nothing
SYNCED = 2_000  # lines
ROWS = {
    "videos": "videos",
    "gpus": "GPUs",
    "cores": "cores",
    "hours": "hours until the last head",
    "heads_per_hour": "heads an hour",
    "card_percent": "cards taken (%)",
    "useful_percent": "of that by stages that ended well (%)",
    "whole": "heads whole",
    "bad": "videos refused",
    "gave_up": "heads given up for now",
    "tries_again": "stages lost or failed and tried again",
    "most": "stages at work, at most",
    "stages_per_second": "stages a second that the farm needs",
    "driver_seconds": "driver: CPU seconds in all",
    "stage_ms": "driver: ms a stage",
    "most_stages_per_second": "driver: stages a second at most",
    "sync_ms": "a manifest line's way to the disk (ms)",
    "most_with_sync": "driver: stages a second at most, one by one, with it",
    "add_seconds": "videos put into the farm (CPU s)",
    "plan_seconds": "started again after a kill halfway (CPU s)",
    "manifest_lines": "manifest: lines",
    "manifest_mb": "manifest: MB",
    "receipts": "receipts",
    "lines_said": "lines of progress",
    "report_seconds": "report (CPU s)",
    "report_mb": "report, without pictures (MB)",
    "memory_mb": "driver: memory at most (MB)",
    "memory_report_mb": "the same with the report (MB)",
}


def measure(videos: int, machines: Machines, times: StageTimes, faults: Faults, options: Options) -> dict[str, Any]:
    """One farm, from its videos to its report; the driver is killed halfway and started again.

    Returns:
        The figures of :data:`ROWS`.
    """
    with tempfile.TemporaryDirectory(dir=_in_memory()) as there, tempfile.TemporaryDirectory() as disk:
        folder = Path(there)
        (folder / "videos").mkdir()
        files = [folder / "videos" / f"person_{number:06}.mp4" for number in range(videos)]
        for file in files:
            file.write_bytes(file.name.encode())
        farm = Farm(f"file://{folder}/farm", str(folder / "driver"))
        farm.take_settings(Settings())
        row: dict[str, Any] = {"videos": videos, "gpus": machines.gpus, "sync_ms": 1e3 * sync_seconds(Path(disk))}
        with _timed(row, "add_seconds"):
            farm.add(files)
        row |= drive(farm, SimulatedCluster(farm, machines, times, faults), options)
        row["memory_mb"] = _memory()
        with _timed(row, "report_seconds"):
            write_report(farm)
        row["report_mb"] = (folder / "farm/report.html").stat().st_size / 1e6
        row["memory_report_mb"] = _memory()
        row["manifest_mb"] = farm.manifest.stat().st_size / 1e6
        row["receipts"] = sum(1 for _ in (folder / "farm/heads").glob("*/done/*.json"))
        row["most_with_sync"] = 1e3 / (row["stage_ms"] + row["sync_ms"])
        return row


def drive(farm: Farm, cluster: SimulatedCluster, options: Options) -> dict[str, Any]:
    """Make all heads, with a driver that is started again when it is killed; what became of them and what it took."""
    sources = farm.sources()
    said: list[float] = []
    spent, plan = 0.0, 0.0
    alive = True
    while alive:
        alive, lines = False, len(said)
        began, begun, own = time.perf_counter(), time.process_time(), cluster.own
        with driving(farm) as manifest:
            driver = Driver(
                farm, manifest, cluster, options, lambda _: said.append(time.process_time()), clock=cluster.clock
            )
            try:
                driver.run(sources)
            except Killed:
                alive = True
        ours = 1 - (cluster.own - own) / (time.perf_counter() - began)  # of the time, and so of the CPU's
        spent += (time.process_time() - begun) * ours
        plan = said[lines] - begun  # of the last start; the first line is said when it is planned
    records = farm.records()
    done = sum(record.state == DONE for record in records)
    whole = sum(farm.receipt(source.name, driver.way[-1].name) is not None for source in sources)
    bad = sum(cluster.is_bad(source.name) for source in sources)
    taken, useful = sum(cluster.card_seconds.values()), sum(cluster.useful.values())
    return {
        "cores": cluster.capacity.cores,
        "hours": cluster.now / 3600,
        "heads_per_hour": whole / cluster.now * 3600,
        "card_percent": 100 * taken / (cluster.capacity.gpus * cluster.now),
        "useful_percent": 100 * useful / taken,
        "whole": whole,
        "bad": bad,
        "gave_up": len(sources) - whole - bad,
        "tries_again": sum(cluster.happened.values()) - bad,
        "happened": dict(cluster.happened),
        "most": cluster.most,
        "stages_per_second": done / cluster.now,
        "driver_seconds": spent,
        "stage_ms": 1e3 * spent / done,
        "most_stages_per_second": done / spent,
        "plan_seconds": plan,
        "manifest_lines": len(records),
        "lines_said": len(said),
    }


def sync_seconds(folder: Path) -> float:
    """That a line of a manifest on this disk takes."""
    with closing(Manifest(folder / "synced.jsonl")) as manifest:
        begun = time.perf_counter()
        for number in range(SYNCED):
            manifest.add(Record(f"person_{number:06}", "train", DONE, seconds=298.0, place="here"))
        return (time.perf_counter() - begun) / SYNCED


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown, a farm a column."""
    lines = [[title, *(_short(row[key]) for row in rows)] for key, title in ROWS.items()]
    lines.insert(1, ["---", *("---:" for _ in rows)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(number: float) -> str:
    return f"{number:,.0f}" if isinstance(number, int) or number >= 100 else f"{number:.3g}"


@contextlib.contextmanager
def _timed(row: dict[str, Any], key: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    row[key] = time.process_time() - begun


def _in_memory() -> Path | None:
    return IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


@door
def main() -> None:
    """Measure each size in a process of its own and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("sizes", nargs="*", default=SIZES, metavar="VIDEOS:GPUS", help=f"({' '.join(SIZES)})")
    parser.add_argument("--cores_per_gpu", type=int, default=16, metavar="N")
    parser.add_argument(
        "--cpu_machines", type=int, default=0, metavar="N", help="further ones, of 8 times so many cores"
    )
    parser.add_argument("--cpu_nodes", action="store_true", help="preparing keeps to those, as by fleet.sh --cpu_nodes")
    parser.add_argument("--train", type=float, default=StageTimes.train, metavar="S", help="seconds of a training")
    parser.add_argument("--gpu_share", type=float, default=1.0, metavar="F", help="of a card for a training")
    parser.add_argument("--cores", type=int, metavar="N", help="of a stage, as for fleet.sh")
    parser.add_argument("--attempts", type=int, default=8, metavar="N", help="as for fleet.sh")
    parser.add_argument("--full_for", type=float, default=600.0, metavar="S", help="seconds that the storage is full")
    parser.add_argument("--no_faults", action="store_true")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures here")
    options = parser.parse_args()
    alone = len(options.sizes) == 1  # else each in a process of its own: its memory is measured
    rows = [_one(options.sizes[0], options)] if alone else [_apart(size) for size in options.sizes]
    print(table(rows))
    if options.json:
        write_json(options.json, rows)


def _one(size: str, options: argparse.Namespace) -> dict[str, Any]:
    videos, _, gpus = size.partition(":")
    if not (videos.isdecimal() and gpus.isdecimal() and int(videos) and int(gpus)):
        raise EGSTalkerError(f"{size}: give VIDEOS:GPUS, such as {SIZES[0]}")
    machines = Machines(int(gpus), cores_each=8 * options.cores_per_gpu, cpu_machines=options.cpu_machines)
    times = replace(StageTimes(), train=options.train)
    about = int(videos) * options.train * options.gpu_share / int(gpus)  # seconds that trainings take at least
    faults = Faults(full_at=about * 0.6, full_for=options.full_for, killed_at=about / 2)
    if options.no_faults:
        faults = Faults(bad_videos=0.0, worker_hours=1e12, machine_hours=1e12, killed_at=about / 2)
    spread = Options(cores=options.cores, gpu_share=options.gpu_share, attempts=options.attempts)
    if options.cpu_nodes:
        spread = replace(spread, cpu_label=CPU_LABEL)
    return measure(int(videos), machines, times, faults, spread)


def _apart(size: str) -> dict[str, Any]:
    arguments = [one for one in sys.argv[1:] if not _is_size(one)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "row.json"
        command = [sys.executable, "-m", "benchmarks.scale", size, *arguments, "--json", str(file)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            raise EGSTalkerError(f"{size}: {last_line(done.stderr)}")
        row: dict[str, Any] = json.loads(file.read_text())[0]
        return row


def _is_size(text: str) -> bool:
    return ":" in text


if __name__ == "__main__":
    sys.exit(main())
