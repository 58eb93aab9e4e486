"""What is measured of a machine, by the project's own commands: speeds of made-up heads, and whole trainings."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.device import CPU, GPU, kind_of
from arguments.model_folder import ModelFolder
from arguments.settings import load_config
from benchmarks.commands import configuration, run
from benchmarks.figures import Better, Figure

GAUSSIANS = {CPU: 20_000, GPU: 32_768}
SIZE = 512  # pixels a side, of the pictures that are rendered and learnt
BATCHES = {CPU: ("1", "4"), GPU: ("1", "32")}
SCORES: dict[str, dict[str, tuple[str, Better]]] = {
    "val": {
        "composite_psnr": ("dB", "higher"),
        "head_psnr": ("dB", "higher"),
        "mouth_psnr": ("dB", "higher"),
        "face_psnr": ("dB", "higher"),
        "ssim": ("", "higher"),
        "landmark_distance": ("px", "lower"),
        "mouth_correlation": ("", "higher"),
        "mouth_velocity_correlation": ("", "higher"),
        "mouth_amplitude": ("", "neither"),
        "lip_closures_kept": ("", "higher"),
        "lip_closures_false": ("", "lower"),
        "blink_correlation": ("", "higher"),
        "end_to_end_fps": ("frames/s", "higher"),
    },
    "val_torso": {"torso_psnr": ("dB", "higher"), "neck_psnr": ("dB", "higher"), "neck_step": ("", "neither")},
}
"""The figures that are told of each set of metrics.json; :class:`evaluation.scores.Scores` explains them."""


@dataclass(frozen=True)
class Work:
    """What heads are learnt from, how, and where.

    Attributes:
        device: "cpu", "cuda", "cuda:1".
        dataset: its folder.
        configs: configuration file.
        iterations: of the fine stage; None leaves them to the configuration.
        folder: for what is made on the way.
    """

    device: str
    dataset: Path
    configs: Path
    iterations: int | None
    folder: Path

    @property
    def batches(self) -> tuple[str, ...]:
        return BATCHES[kind_of(self.device)]


def sample_dataset(folder: Path) -> Path:
    """The sample's data set, made in ``folder``."""
    run("-m", "sample", folder / "sample.mp4")
    run("data_utils/process.py", folder / "sample.mp4")
    return folder / "sample"


def measured(folder: Path, *command: str | Path) -> list[dict[str, Any]]:
    """The rows of a benchmark."""
    target = folder / "rows.json"
    run(*command, "--json", target)
    return json.loads(target.read_text())


def speeds(work: Work) -> list[Figure]:
    """Rasterization and the training step, of made-up heads."""
    count = GAUSSIANS[kind_of(work.device)]
    shared = ("--device", work.device, "--gaussians", str(count), "--sizes", str(SIZE))
    cloud = measured(work.folder, "-m", "benchmarks.render", *shared, "--batches", *work.batches)
    (step,) = measured(work.folder, "-m", "benchmarks.train_step", *shared)
    of = f"{count:,} Gaussians, {SIZE} x {SIZE}"
    name = f"training step, {of}, batch {step['batch']}"
    return [
        *(Figure(f"rasterization, {of}, batch {row['batch']}", row["fps"], "frames/s", "higher") for row in cloud),
        Figure(name, step["iterations_per_second"], "iterations/s", "higher"),
        *(Figure(f"training step: {part}", value, "ms", "lower") for part, value in step["stages"].items()),
        Figure("training step: peak memory", step["peak_memory_gib"], "GiB", "lower"),
    ]


def training(work: Work, number: int) -> list[Figure]:
    """A head, learnt with the configuration's seed + ``number``: how long that takes, how fast it is and how good."""
    model, configs = work.folder / f"model-{number}", work.folder / f"seed-{number}.py"
    configs.write_text(seeded(work.configs, number))
    more = () if work.iterations is None else ("--iterations", str(work.iterations))
    of_head = ("-s", work.dataset, "--model_path", model, "--device", work.device)
    begun = time.perf_counter()
    run("train.py", *of_head, "--configs", configs, *more)
    seconds = time.perf_counter() - begun
    head = measured(work.folder, "-m", "benchmarks.render", *of_head, "--batches", *work.batches)
    run("metrics.py", *of_head)
    return [
        Figure("training", seconds, "s", "lower"),
        Figure("Gaussians of the head", head[0]["gaussians"]),
        *(Figure(f"the head, batch {row['batch']}", row["fps"], "frames/s", "higher") for row in head),
        *scores(json.loads(ModelFolder(model).scores.read_text())),
    ]


def seeded(configs: Path, number: int) -> str:
    """A configuration file of the same settings, but for a seed that is ``number`` higher."""
    return configuration(configs, seed=load_config(configs)[1].seed + number)


def scores(sets: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """The figures of a metrics.json that are told, but those that are undefined."""
    there = [
        (name, sets.get(part, {}).get(name), unit, better)
        for part, names in SCORES.items()
        for name, (unit, better) in names.items()
    ]
    return [Figure(name, value, unit, better) for name, value, unit, better in there if value is not None]
