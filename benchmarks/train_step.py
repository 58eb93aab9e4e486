"""Speed of training: ``python -m benchmarks.train_step --device cpu|cuda [--json F]``.

Every row is the fine stage of the real training loop on a made-up dataset: medians over the repeats, in milliseconds an
iteration, part by part, with the device synchronised between the parts; iterations a second from an unbroken run. With
``--gpus 1 2`` the same batches are shared among so many cards; parts and memory are the first one's.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import resource
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from arguments.atomic import atomic_path
from arguments.device import CPU, forget_peak_memory, on_gpu, peak_memory, synchronize
from arguments.errors import door
from arguments.settings import ModelSettings, TrainingSettings, load_config
from benchmarks.head_dataset import write_head_dataset
from benchmarks.render import Spread, table
from gaussian_renderer.devices import choose_device
from training.dataset import TalkingHeadDataset
from training.followers import Followers
from training.options import TrainOptions
from training.step import Mark
from training.trainer import Trainer

WARM_UP = 3  # iterations: compiled code is loaded, pictures are decoded and kept
EPOCHS_OF_SEVERAL = 12  # until each of two cards has most likely seen every frame once
TOTAL = 100_000  # iterations of the pretended stage: rates and guide hardly change in the few that are timed


def measure(
    dataset: TalkingHeadDataset,
    model: ModelSettings,
    training: TrainingSettings,
    device: str,
    repeats: int,
    work_folder: Path,
    gpus: int = 1,
) -> dict[str, Any]:
    """One row: {gaussians, size, batch, gpus, stages: {name: median ms}, iterations_per_second, peak_memory_gib}."""
    training = replace(training, densify_from=TOTAL)
    options = TrainOptions(dataset.folder.root, work_folder, model, training, device, processes=gpus)
    with Followers(options) as followers:
        trainer = Trainer(options, dataset, followers.group)
        followers.begin(trainer)
        return _measured(trainer, followers, repeats, device)


def _measured(trainer: Trainer, followers: Followers, repeats: int, device: str) -> dict[str, Any]:
    def step(iteration: int, mark: Mark = lambda name: None) -> None:
        followers.tell("advance", "fine", iteration, TOTAL)
        trainer.advance("fine", iteration, TOTAL, mark)

    dataset, training = trainer.dataset, trainer.settings
    epochs = 1 if trainer.group.size == 1 else EPOCHS_OF_SEVERAL
    for iteration in range(max(WARM_UP, -(-epochs * len(dataset.train) // training.batch))):
        step(iteration)
    if on_gpu(device):
        forget_peak_memory()
    else:
        _forget_peak()
    synchronize(device)
    begun = time.perf_counter()
    for iteration in range(repeats):
        step(iteration)
    synchronize(device)
    seconds = time.perf_counter() - begun
    times: dict[str, list[float]] = defaultdict(list)
    for iteration in range(repeats):
        last = time.perf_counter()

        def mark(name: str) -> None:
            nonlocal last
            synchronize(device)
            now = time.perf_counter()
            times[name].append(now - last)
            last = now

        step(iteration, mark)
    peak = peak_memory() if on_gpu(device) else _resident_bytes()
    return {
        "gaussians": trainer.head.num_gaussians,
        "size": dataset.height,
        "batch": training.batch,
        "gpus": trainer.group.size,
        "stages": {name: Spread([1000 * value for value in values]) for name, values in times.items()},
        "iterations_per_second": repeats / seconds,
        "peak_memory_gib": peak / 2**30,
    }


def _forget_peak() -> None:
    """Let the peak start from now (Linux; elsewhere it is the highest of all rows so far)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _resident_bytes() -> int:
    """The most memory that this process has had; ru_maxrss counts kibibytes, on macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_step", description="Measure training speed.")
    parser.add_argument("--device", default=CPU, help="cpu or cuda (cpu)")
    parser.add_argument("--configs", type=Path, help="configuration (cpu: arguments/cpu.py, cuda: arguments/args.py)")
    parser.add_argument("--gaussians", type=int, nargs="+", help="how many Gaussians, one row each")
    parser.add_argument("--sizes", type=int, nargs="+", default=(512,), help="height and width of the pictures")
    parser.add_argument("--batches", type=int, nargs="+", help="frames an iteration (default: the configuration's)")
    parser.add_argument("--gpus", type=int, nargs="+", default=(1,), help="cards that share a batch, one row each (1)")
    parser.add_argument("--repeats", type=int, default=20, help="the median of so many iterations is shown")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    return parser.parse_args()


def main() -> None:
    """Measure every combination and print one table."""
    arguments = _arguments()
    arguments.device = choose_device(arguments.device)
    name = "cpu.py" if arguments.device == CPU else "args.py"
    model, training = load_config(arguments.configs or Path(__file__).parent.parent / "arguments" / name)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes:
            dataset = TalkingHeadDataset(write_head_dataset(Path(folder) / str(size), size).root)
            for count in arguments.gaussians or [model.initial_gaussians]:
                for batch, gpus in itertools.product(arguments.batches or [training.batch], arguments.gpus):
                    settings = replace(model, initial_gaussians=count), replace(training, batch=batch)
                    work_folder = Path(folder) / f"model-{len(rows)}"
                    rows.append(measure(dataset, *settings, arguments.device, arguments.repeats, work_folder, gpus))
                    print(f"{size} x {size}, batch {batch}, {gpus} cards: {rows[-1]}", file=sys.stderr, flush=True)
    print(table(rows))
    if arguments.json:
        with atomic_path(arguments.json) as path:
            path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(door(main)())
