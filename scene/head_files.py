"""The way back from a model folder to a head (see :mod:`arguments.model_folder`)."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError
from arguments.model_folder import CheckpointFolder, ModelFolder
from arguments.settings import ModelSettings, TrainingSettings, settings_from
from scene.head import GaussianHead


@dataclass(frozen=True)
class ModelRecord:
    """settings.json."""

    model: ModelSettings
    training: TrainingSettings
    feature_shape: tuple[int, ...]
    extractor: str | None
    dataset: str
    num_train_frames: int
    # SHA-256 of the files that the head learnt from, which tell datasets apart wherever they lie; empty in models of
    # versions that did not record them, as are the version and the device of the run that wrote this last.
    poses: str = ""  # transforms_train.json
    action_units: str = ""  # au.csv
    features: str = ""  # aud.npy
    version: str = ""
    device: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a training has come."""

    stage: str  # "coarse" or "fine"
    iteration: int  # done in this stage

    @property
    def fine(self) -> int:
        """Iterations of the fine stage; 0 before it."""
        return self.iteration if self.stage == "fine" else 0


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint."""

    folder: CheckpointFolder
    progress: Progress


def write_record(model_path: Path, record: ModelRecord) -> None:
    """Write settings.json."""
    write_json(ModelFolder(model_path).settings, dataclasses.asdict(record))


def read_record(model_path: Path) -> ModelRecord:
    """Read settings.json. Raises EGSTalkerError where there is no model or it is damaged."""
    path = ModelFolder(model_path).settings
    try:
        value = json.loads(path.read_text())
        if "drive" not in value["model"]:
            raise EGSTalkerError(
                f"{model_path} was made by an earlier version, whose heads heard sound in another way; "
                "train again into another --model_path"
            )
        return ModelRecord(
            model=settings_from(ModelSettings, value["model"], str(path)),
            training=settings_from(TrainingSettings, value["training"], str(path)),
            feature_shape=tuple(int(n) for n in value["feature_shape"]),
            extractor=value["extractor"],
            dataset=str(value["dataset"]),
            num_train_frames=int(value["num_train_frames"]),
            **{name: str(value.get(name, "")) for name in ("poses", "action_units", "features", "version", "device")},
        )
    except FileNotFoundError:
        raise EGSTalkerError(f"there is no model in {model_path}; make one with ./train.sh") from None
    except NotADirectoryError:
        raise EGSTalkerError(f"{model_path} is not a model folder; make one with ./train.sh") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EGSTalkerError(f"{path} is damaged; train again into another --model_path") from error


def checkpoints(model_path: Path) -> list[Checkpoint]:
    """All whole checkpoints, oldest first."""
    there = [Checkpoint(folder, _read_progress(folder)) for folder in ModelFolder(model_path).checkpoints()]
    return sorted(there, key=lambda one: (one.progress.stage == "fine", one.progress.iteration))


def load_weights(folder: CheckpointFolder, record: ModelRecord, device: str = "cpu") -> GaussianHead:
    """The head of a checkpoint. Raises EGSTalkerError where its file is missing, damaged or of another shape."""
    file = folder.weights
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
    record = read_record(Path(model_path))
    chosen = chosen_checkpoint(Path(model_path), iteration)
    return load_weights(chosen.folder, record, device).eval(), record, chosen.progress.fine


def chosen_checkpoint(model_path: Path, iteration: int | None = None) -> Checkpoint:
    """The checkpoint of a fine-stage iteration; None is the last of all. Raises EGSTalkerError where there is none."""
    available = checkpoints(model_path)
    if not available:
        raise EGSTalkerError(f"{model_path} has no checkpoint yet; let ./train.sh run to its first")
    if iteration is None:
        return available[-1]
    fine = {c.progress.iteration: c for c in available if c.progress.stage == "fine"}
    if iteration not in fine:
        there = ", ".join(map(str, fine)) or "none"
        raise EGSTalkerError(f"{model_path} has no checkpoint of iteration {iteration}; there are: {there}")
    return fine[iteration]


def _read_progress(folder: CheckpointFolder) -> Progress:
    try:
        value = json.loads(folder.state.read_text())
        return Progress(str(value["stage"]), int(value["iteration"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EGSTalkerError(f"{folder.state} is damaged; delete {folder.root}") from error
