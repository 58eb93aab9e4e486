"""The stages that a video goes through: what each reads, runs and leaves, and whether that is whole.

A stage is a program of the checkout, run as a user would run it. When it has ended well and what it leaves is whole, a
receipt is written, which is what says from then on that the stage is whole: with the time it took and its figures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import CHECKPOINT_NAME, ModelFolder
from arguments.usage import memory_share_of
from fleet.settings import Settings

Figures = dict[str, float]
VIDEO = "dataset"
"""Name of the video without its suffix: its dataset is made beside it under this name."""
MEMORY = "gpu_memory_share"
"""Name of the figure that says which share of a GPU's memory a training took."""
DATASET, MODEL, EXPORT = "dataset", "model", "export"
OF_VAL = (
    *("composite_psnr", "head_psnr", "mouth_psnr", "ssim", "landmark_distance", "mouth_correlation"),
    *("lip_closures_kept", "blink_correlation", "render_fps", "end_to_end_fps"),
)


@dataclass(frozen=True)
class Head:
    """Paths inside one head of a farm."""

    name: str
    root: Path
    suffix: str = ".mp4"
    """Of the video."""

    @property
    def video(self) -> Path:
        return self.root / f"{VIDEO}{self.suffix}"

    @property
    def dataset(self) -> DatasetFolder:
        return DatasetFolder(self.root / DATASET)

    @property
    def model(self) -> ModelFolder:
        return ModelFolder(self.root / MODEL)

    @property
    def export(self) -> Path:
        return self.root / EXPORT

    def log(self, stage: str) -> Path:
        return self.root / "logs" / f"{stage}.log"

    def exported(self, kind: str) -> Path:
        return self.export / f"{self.name}.{kind}"


@dataclass(frozen=True)
class Stage:
    """One step of the way."""

    name: str
    reads: tuple[str, ...]
    """Parts of the head that other stages have left."""
    writes: str
    """The part that it leaves; empty where it is a file of another stage's part."""
    uses_gpu: bool
    commands: Callable[[Head, Settings, Path, bool], list[list[str]]]
    """Of the head, settings, checkout, and whether it has a share of a GPU."""
    figures: Callable[[Head, Settings], Figures | None]
    """What is to be said of what it has left; None where that is not whole."""


def _python(checkout: Path, program: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, str(checkout / program), *map(str, arguments)]


def _device(gpu: bool) -> list[str]:
    return [] if gpu else ["--device", "cpu"]


def _preprocess(head: Head, settings: Settings, checkout: Path, gpu: bool) -> list[list[str]]:
    return [_python(checkout, "data_utils/process.py", head.video, *settings.preprocess_options)]


def _train(head: Head, settings: Settings, checkout: Path, gpu: bool) -> list[list[str]]:
    configs = settings.configs if Path(settings.configs).is_absolute() else checkout / settings.configs
    where: list[str | Path] = ["-s", head.dataset.root, "--model_path", head.model.root, "--configs", configs]
    return [_python(checkout, "train.py", *where, *_device(gpu), *settings.train_options)]


def _metrics(head: Head, settings: Settings, checkout: Path, gpu: bool) -> list[list[str]]:
    where: list[str | Path] = ["-s", head.dataset.root, "--model_path", head.model.root]
    return [_python(checkout, "metrics.py", *where, *_device(gpu), *settings.metrics_options)]


def _export(head: Head, settings: Settings, checkout: Path, gpu: bool) -> list[list[str]]:
    model: list[str | Path] = ["--model_path", head.model.root]
    return [_python(checkout, "export.py", *model, "--to", head.exported(kind)) for kind in settings.export]


def _preprocessed(head: Head, settings: Settings) -> Figures | None:
    from data_utils import wholeness  # takes a moment to load

    try:
        frames = wholeness.count_frames(head.dataset)
    except EGSTalkerError:
        return None
    artefacts = (value for value in vars(wholeness).values() if isinstance(value, wholeness.Artefact))
    whole = frames > 0 and all(one.times(head.dataset, frames) for one in artefacts if one.needed)
    return {"frames": float(frames)} if whole else None


def _trained(head: Head, settings: Settings) -> Figures | None:
    wanted = _json(head.model.settings).get("training", {}).get("iterations")
    fine = [one for one in head.model.checkpoints() if _stage_of(one.root) == "fine" and one.weights.is_file()]
    if not fine or not isinstance(wanted, int):
        return None
    state = _json(max(fine, key=lambda one: int(one.root.name.partition("-")[2])).state)
    iteration, gaussians = state.get("iteration"), state.get("gaussians")
    if not isinstance(iteration, int) or iteration < wanted:
        return None
    figures = {"iterations": float(iteration)} | ({"gaussians": float(gaussians)} if isinstance(gaussians, int) else {})
    memory = memory_share_of(head.model)
    return figures | ({MEMORY: memory} if memory else {})


def _measured(head: Head, settings: Settings) -> Figures | None:
    val = _json(head.model.scores).get("val")
    if not isinstance(val, dict):
        return None
    return {name: float(val[name]) for name in OF_VAL if _is_number(val.get(name))}


def _exported(head: Head, settings: Settings) -> Figures | None:
    files = [head.exported(kind) for kind in settings.export]
    if not all(file.is_file() and file.stat().st_size for file in files):
        return None
    return {"exported_mb": round(sum(file.stat().st_size for file in files) / 1e6, 1)}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _stage_of(checkpoint: Path) -> str:
    found = CHECKPOINT_NAME.fullmatch(checkpoint.name)
    return found[1] if found else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


STAGES = {
    stage.name: stage
    for stage in (
        Stage("preprocess", (), DATASET, False, _preprocess, _preprocessed),
        Stage("train", (DATASET,), MODEL, True, _train, _trained),
        Stage("metrics", (DATASET, MODEL), "", True, _metrics, _measured),
        Stage("export", (MODEL,), EXPORT, False, _export, _exported),
    )
}


def way_of(settings: Settings) -> tuple[Stage, ...]:
    """The stages that a head of these settings goes through, in their order."""
    return tuple(stage for stage in STAGES.values() if stage.name != "export" or settings.export)
