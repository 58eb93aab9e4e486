"""The way from a learnt torso to its file in a model folder, and back."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from scene.torso import Torso

_ITERATION = "iteration"  # of the head's fine stage, with which a torso was learnt


def save_torso(folder: ModelFolder, torso: Torso, iteration: int) -> None:
    """Write the torso that goes with the head of an iteration of the fine stage."""
    with atomic_path(folder.torso) as temporary:
        values = {name: value.detach().contiguous().cpu() for name, value in torso.state_dict().items()}
        save_file(values, temporary, metadata={_ITERATION: str(iteration)})


def load_torso(model_path: Path | str, device: str = "cpu") -> Torso | None:
    """The torso of a model; None where it has none.

    Raises EGSTalkerError where its file is damaged.
    """
    path = ModelFolder(Path(model_path)).torso
    if not path.exists():
        return None
    try:
        values = load_file(path)
        torso = Torso(len(values["means"]), len(values["bumps"]))
        torso.load_state_dict(values)
    except (SafetensorError, OSError, KeyError, RuntimeError, ValueError) as error:
        raise _damaged(path) from error
    if not all(torch.isfinite(value).all() for value in values.values()):
        raise _damaged(path)
    return torso.to(device).eval()


def learnt_with(folder: ModelFolder) -> int | None:
    """The iteration of the head that a torso was learnt with; None where there is no torso, or a damaged one."""
    try:
        with safe_open(folder.torso, framework="pt") as file:
            return int((file.metadata() or {})[_ITERATION])
    except (SafetensorError, OSError, KeyError, ValueError):
        return None


def _damaged(path: Path) -> EGSTalkerError:
    return EGSTalkerError(
        f"{path} is damaged; ./train.sh with --only torso learns it again, --torso frames does without"
    )
