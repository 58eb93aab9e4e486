"""Checkpoints that appear whole, and what a training needs besides the head to go on from one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from arguments.atomic import staged_folder, write_json
from arguments.device import kind_of
from arguments.errors import EGSTalkerError
from arguments.model_folder import CheckpointFolder
from arguments.version import VERSION
from scene.head import GaussianHead
from scene.head_files import Progress, checkpoints
from scene.ply import write_ply


def save_checkpoint(
    folder: CheckpointFolder, head: GaussianHead, training_state: dict[str, Any] | None, progress: Progress
) -> None:
    """Write a checkpoint folder so that it is there whole or not at all; without ``training_state`` just the head.

    Its state.json says how far the training is, and with which version and on what device.
    """
    with staged_folder(folder.root) as staged:
        part = CheckpointFolder(staged)
        save_file({k: v.detach().contiguous().cpu() for k, v in head.state_dict().items()}, part.weights)
        write_ply(part.point_cloud, head.static().detach())
        if training_state is not None:
            torch.save(training_state, part.training_state)
        made = {"gaussians": head.num_gaussians, "version": VERSION, "device": kind_of(head.model.means)}
        write_json(part.state, dataclasses.asdict(progress) | made)


def forget_training_state(model_path: Path) -> None:
    """Remove the optimizer's state, which is large, from all checkpoints but the latest and its stand-in before it."""
    for checkpoint in checkpoints(model_path)[:-2]:
        checkpoint.folder.training_state.unlink(missing_ok=True)


def load_training_state(folder: CheckpointFolder) -> dict[str, Any]:
    """The optimizer's state and the pose corrections of a checkpoint. Raises EGSTalkerError where it is damaged."""
    problem = EGSTalkerError(f"{folder.training_state} is damaged; delete {folder.root} to resume from the one before")
    try:
        state = torch.load(folder.training_state, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many types on damaged files
        raise problem from error
    if not (isinstance(state, dict) and {"optimizer", "poses"} <= set(state)):
        raise problem
    return state
