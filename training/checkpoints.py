"""A model folder: settings, checkpoints that appear whole, and the way back to a head.

output/m/settings.json          model and training settings, shape of the audio features, what it was made from
         checkpoints/fine-00500/  head.safetensors (weights), training.pth (optimizer, pose corrections),
                                point_cloud.ply (the head at rest, as 3D Gaussian viewers read it), state.json
         best/                  the same for the best validation
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError
from arguments.settings import ModelSettings, TrainingSettings, settings_from
from scene.head import GaussianHead
from scene.ply import write_ply

CHECKPOINT_NAME = re.compile(r"(coarse|fine)-(\d{5,})")


@dataclass(frozen=True)
class ModelRecord:
    """settings.json."""

    model: ModelSettings
    training: TrainingSettings
    feature_shape: tuple[int, ...]
    extractor: str | None
    dataset: str
    num_train_frames: int
    poses: str = ""  # digest of transforms_train.json, which tells datasets apart wherever they lie


@dataclass(frozen=True)
class Progress:
    """How far a training has come."""

    stage: str  # "coarse" or "fine"
    iteration: int  # done in this stage
    best_psnr: float | None = None  # of validations so far, dB


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint folder."""

    path: Path
    progress: Progress


def write_record(model_path: Path, record: ModelRecord) -> None:
    """Write settings.json."""
    write_json(model_path / "settings.json", dataclasses.asdict(record))


def read_record(model_path: Path) -> ModelRecord:
    """Read settings.json. Raises EGSTalkerError where there is no model or it is damaged."""
    path = model_path / "settings.json"
    try:
        value = json.loads(path.read_text())
        return ModelRecord(
            model=settings_from(ModelSettings, value["model"], str(path)),
            training=settings_from(TrainingSettings, value["training"], str(path)),
            feature_shape=tuple(int(n) for n in value["feature_shape"]),
            extractor=value["extractor"],
            dataset=str(value["dataset"]),
            num_train_frames=int(value["num_train_frames"]),
            poses=str(value.get("poses", "")),
        )
    except FileNotFoundError:
        raise EGSTalkerError(f"there is no model in {model_path}; make one with ./train.sh") from None
    except NotADirectoryError:
        raise EGSTalkerError(f"{model_path} is not a model folder; make one with ./train.sh") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EGSTalkerError(f"{path} is damaged; train again into another --model_path") from error


def checkpoints(model_path: Path) -> list[Checkpoint]:
    """All whole checkpoints, oldest first."""
    found = []
    folder = model_path / "checkpoints"
    for path in folder.iterdir() if folder.is_dir() else ():
        match = CHECKPOINT_NAME.fullmatch(path.name)
        if match and (path / "state.json").is_file():
            found.append(Checkpoint(path, _read_progress(path)))
    return sorted(found, key=lambda c: (c.progress.stage == "fine", c.progress.iteration))


def save_checkpoint(path: Path, head: GaussianHead, training_state: dict[str, Any] | None, progress: Progress) -> None:
    """Write a checkpoint folder so that it is there whole or not at all; without ``training_state`` just the head."""
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        save_file({k: v.detach().contiguous().cpu() for k, v in head.state_dict().items()}, part / "head.safetensors")
        write_ply(part / "point_cloud.ply", head.static().detach())
        if training_state is not None:
            torch.save(training_state, part / "training.pth")
        write_json(part / "state.json", dataclasses.asdict(progress) | {"gaussians": head.num_gaussians})
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.replace(old)
        part.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def forget_training_state(model_path: Path) -> None:
    """Remove the optimizer's state, which is large, from all checkpoints but the latest and its stand-in before it."""
    for checkpoint in checkpoints(model_path)[:-2]:
        (checkpoint.path / "training.pth").unlink(missing_ok=True)


def load_training_state(path: Path) -> dict[str, Any]:
    """The optimizer's state and the pose corrections of a checkpoint. Raises EGSTalkerError where it is damaged."""
    problem = EGSTalkerError(f"{path / 'training.pth'} is damaged; delete {path} to resume from the one before")
    try:
        state = torch.load(path / "training.pth", map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many types on damaged files
        raise problem from error
    if not (isinstance(state, dict) and {"optimizer", "poses"} <= set(state)):
        raise problem
    return state


def load_weights(path: Path, record: ModelRecord, device: str = "cpu") -> GaussianHead:
    """The head of a checkpoint folder. Raises EGSTalkerError where its file is missing, damaged or of another shape."""
    file = path / "head.safetensors"
    try:
        weights = load_file(file)
        head = GaussianHead(len(weights["model.means"]), record.feature_shape, record.model)
        head.load_state_dict(weights)
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise EGSTalkerError(f"{file} is missing or damaged; choose another --iteration or train again") from error
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise EGSTalkerError(f"{file} holds values that are not finite; choose another --iteration")
    return head.to(device)


def load_head(
    model_path: Path | str, iteration: int | None = None, device: str = "cpu"
) -> tuple[GaussianHead, ModelRecord, int]:
    """A trained head in evaluation mode, its record, and the fine-stage iteration it comes from (0: static only).

    ``iteration``: of the fine stage; None is the last. Raises EGSTalkerError where there is none.
    """
    model_path = Path(model_path)
    record = read_record(model_path)
    available = checkpoints(model_path)
    if not available:
        raise EGSTalkerError(f"{model_path} has no checkpoint yet; let ./train.sh run to its first")
    chosen = available[-1]
    if iteration is not None:
        fine = {c.progress.iteration: c for c in available if c.progress.stage == "fine"}
        if iteration not in fine:
            there = ", ".join(map(str, fine)) or "none"
            raise EGSTalkerError(f"{model_path} has no checkpoint of iteration {iteration}; there are: {there}")
        chosen = fine[iteration]
    head = load_weights(chosen.path, record, device).eval()
    return head, record, chosen.progress.iteration if chosen.progress.stage == "fine" else 0


def _read_progress(path: Path) -> Progress:
    try:
        value = json.loads((path / "state.json").read_text())
        return Progress(str(value["stage"]), int(value["iteration"]), value["best_psnr"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EGSTalkerError(f"{path / 'state.json'} is damaged; delete {path}") from error
