"""What a machine makes of it all, in one table: ``python -m benchmarks.machine [--device cpu|cuda] [-s DATASET]``.

Runs the other commands one after the other (rasterizer, training step, then a head: trained, rendered, spoken by),
compares every figure with that of the same machine, dataset and configuration in ``benchmarks/reference.json``
(:mod:`benchmarks.figures` says when one has moved) and writes ``machine.md`` and ``machine.json`` into its output
folder. ``benchmarks/machine.sh`` sets a fresh machine up and runs the tests first. Without a data set it makes the
sample's. Standard output is the table alone: what the commands say goes to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import torch

from arguments.atomic import atomic_path, write_json
from arguments.dataset_folder import DatasetFolder
from arguments.device import CPU, GPU, cuda_version, gpu_name, kind_of, on_gpu
from arguments.digest import sha256
from arguments.errors import EGSTalkerError, door
from arguments.foreign_text import harmless
from arguments.locks import exclusive
from arguments.settings import load_config
from arguments.version import VERSION
from benchmarks.commands import ROOT
from benchmarks.figures import changes, summary
from benchmarks.junit import Outcome, read_outcome
from benchmarks.machine_figures import Work, sample_dataset, speeds, training
from benchmarks.machine_table import markdown
from benchmarks.reference import Entry, Subject, entry_of, figures_as_json, keep, read_reference
from gaussian_renderer.devices import choose_device

REFERENCE = Path(__file__).with_name("reference.json")
CONFIGS = {CPU: "demo.py", GPU: "args.py"}
WORK = "machine_work"  # folder in the output folder: dataset and models, made anew each time


def hardware(device: str) -> str:
    """The GPU's name, or the processor's and the number of threads."""
    return gpu_name() if on_gpu(device) else f"{_processor()}, {torch.get_num_threads()} threads"


def software(device: str) -> str:
    """What drives it."""
    return f"torch {torch.__version__}" + (f", CUDA {cuda_version()}" if on_gpu(device) else "")


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def commit_of(checkout: Path) -> str:
    """Its commit, "+ changes" where tracked files differ from it (but for the reference); "unknown" without git."""
    git = ["git", "-C", str(checkout)]
    try:
        where = subprocess.run([*git, "rev-parse", "--show-toplevel", "HEAD"], capture_output=True, text=True)
        top, _, commit = where.stdout.strip().partition("\n")
        if where.returncode or not Path(top).samefile(checkout):  # a copy within another project's checkout
            return "unknown"
        changed = [*git, "status", "--porcelain", "-uno", "--", ".", ":!benchmarks/reference.json"]
        state = subprocess.run(changed, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return commit[:12] + (" + changes" if state.stdout.strip() or state.returncode else "")


def subject_of(work: Work, *, sample: bool) -> Subject:
    """What the figures are of. Raises EGSTalkerError where dataset or configuration are not there."""
    _, settings = load_config(work.configs)
    transforms = DatasetFolder(work.dataset).transforms_train
    if not sample and not transforms.is_file():
        raise EGSTalkerError(f"there is no dataset in {work.dataset}; make one with ./preprocess.sh")
    return Subject(
        device=hardware(work.device),
        dataset="the sample" if sample else harmless(work.dataset.name, "?"),
        dataset_digest="" if sample else sha256(transforms),
        configuration=harmless(work.configs.name, "?"),
        configuration_digest=sha256(work.configs),
        iterations=settings.iterations if work.iterations is None else work.iterations,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machine", description="Measure everything here.")
    parser.add_argument("--device", help="(what is here and can render)")
    parser.add_argument("--source_path", "-s", type=Path, help="data set to train on (the sample's, made on the spot)")
    parser.add_argument("--output_dir", type=Path, default=Path("output/machine"), help="(output/machine)")
    parser.add_argument("--configs", type=Path, help="(cpu: arguments/demo.py, cuda: arguments/args.py)")
    parser.add_argument("--iterations", type=int, help="of the fine stage (the configuration's)")
    parser.add_argument("--runs", type=int, default=1, help="of the benchmarks of speed; their median is told (1)")
    parser.add_argument("--trainings", type=int, help="each with another seed; their median is told (as many as runs)")
    parser.add_argument("--tests", type=Path, metavar="FILE", help="what pytest's --junitxml wrote, for the table")
    parser.add_argument("--reference", type=Path, default=REFERENCE, metavar="FILE", help="(benchmarks/reference.json)")
    parser.add_argument("--keep", action="store_true", help="put these figures into the reference")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a figure is worse or a test failed")
    options = parser.parse_args()
    options.trainings = options.runs if options.trainings is None else options.trainings
    for name in ("runs", "trainings", "iterations"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} is at least 1")
    return options


@door
def main() -> int:
    options = _arguments()
    if options.keep and min(options.runs, options.trainings) < 2:
        raise EGSTalkerError("--keep needs the figures' noise: give --runs 2 or more (and --trainings, if given)")
    device, output = choose_device(options.device), options.output_dir.resolve()
    configs = (options.configs or ROOT / "arguments" / CONFIGS[kind_of(device)]).resolve()
    tests = read_outcome(options.tests) if options.tests else None
    entries = read_reference(options.reference)
    folder = output / WORK
    dataset = options.source_path.resolve() if options.source_path else folder / "sample"
    work = Work(device, dataset, configs, options.iterations, folder)
    if dataset.is_relative_to(folder) and options.source_path:
        raise EGSTalkerError(f"{folder} is made anew each time; copy the dataset elsewhere")
    subject = subject_of(work, sample=options.source_path is None)
    commit, date = commit_of(ROOT), f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    with exclusive(output):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if options.source_path is None:
            sample_dataset(folder)
        figures = [
            *(tests.figures() if tests else ()),
            *summary([speeds(work) for _ in range(options.runs)]),
            *summary([training(work, number) for number in range(options.trainings)]),
        ]
        entry = Entry(subject, commit, date, software(device), tuple(figures))
        worse = _report(entry, entries, tests, options, output)
    if options.keep:
        keep(options.reference, entry)
    return int(options.strict and (worse or bool(tests and tests.failed)))


def _report(
    entry: Entry, entries: Sequence[Entry], tests: Outcome | None, options: argparse.Namespace, output: Path
) -> bool:
    """Write and print the table beside that of ``entries``; whether a figure is worse than there."""
    kept = entry_of(entries, entry.subject)
    rows = changes(entry.figures, kept.figures if kept else ())
    failed = tests.failed if tests else ()
    table = markdown(entry, kept, rows, failed)
    if kept is None:
        there = "; ".join(str(one.subject) for one in entries) or "nothing yet"
        table += f"\nNot in {options.reference}: {entry.subject}. It has: {there}. --keep --runs 5 adds this.\n"
    content = {
        "version": VERSION,
        **{name: getattr(entry, name) for name in ("commit", "date", "software")},
        "subject": dataclasses.asdict(entry.subject),
        "runs": options.runs,
        "trainings": options.trainings,
        "failed_tests": list(failed),
        "figures": figures_as_json(entry.figures),
        "compared_with": None if kept is None else {"commit": kept.commit, "date": kept.date},
        "flags": {row.name: row.flag for row in rows if row.flag} if kept else {},
    }
    write_json(output / "machine.json", content)
    with atomic_path(output / "machine.md") as path:
        path.write_text(table)
    print(table, end="")
    return kept is not None and any(row.flag == "worse" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
