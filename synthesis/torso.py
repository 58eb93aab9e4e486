"""The body that is shown with a head: learnt, or borrowed from the clip's frames."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from motion.body_motion import BodyMotion
from scene.clip import Clip
from scene.torso import Torso
from scene.torso_files import load_torso
from synthesis.script import Script, ShownTorso

logger = logging.getLogger(__name__)

Torsos = Literal["learnt", "frames"]
TORSOS: tuple[Torsos, ...] = ("learnt", "frames")
"""Gaussians of the model, or the pictures of the dataset."""


@dataclass(frozen=True)
class LearntTorso:
    """A model's torso, and how the body moves."""

    torso: Torso
    motion: BodyMotion

    def is_of(self, clip: Clip) -> bool:
        """Whether the body's motion was measured in as many frames."""
        return len(self.motion.measured) == clip.num_frames

    def shown_in(self, script: Script, clip: Clip) -> Script:
        """A script whose film shows this torso: the body moves as in the reference's frames, and, where the script has
        poses of its own, as it follows these instead of the reference's.

        Args:
            script: as yet with the torso of the clip's frames.
            clip: of the script.

        Raises:
            EGSTalkerError: the torso was learnt from another clip.
        """
        if not self.is_of(clip):
            raise EGSTalkerError(
                f"the model's torso has learnt from {len(self.motion.measured)} frames, not those of "
                f"{clip.root}; give --torso frames"
            )
        body = script.reference.blended(self.motion.measured)
        if script.poses is not None:
            lent = script.reference.poses(clip.camera.viewmats.double().numpy())
            body = body + self.motion.follow(script.poses.double().numpy()) - self.motion.follow(lent)
        return replace(script, torso=ShownTorso(self.torso, torch.from_numpy(body).float()))


def with_torso(script: Script, torso: LearntTorso | None, clip: Clip) -> Script:
    """A script that shows a model's torso; the clip's, as it is, where that is None. Raises as ``shown_in``."""
    return script if torso is None else torso.shown_in(script, clip)


def torso_of(model_path: Path, wanted: Torsos, device: str) -> LearntTorso | None:
    """The torso that a film shows; None where that is the clip's, which is said where another is ``wanted``.

    Raises as :func:`own_torso`.
    """
    if wanted == "frames":
        return None
    torso = own_torso(model_path, device)
    if torso is None:
        logger.warning(
            "%s has no torso of its own: its films show the clip's; ./train.sh with --only torso learns one", model_path
        )
    return torso


def own_torso(model_path: Path, device: str) -> LearntTorso | None:
    """The torso of a model; None where it has learnt none.

    Raises:
        EGSTalkerError: a file of it is damaged.
    """
    torso = load_torso(model_path, device)
    return None if torso is None else LearntTorso(torso, BodyMotion.load(ModelFolder(model_path)))
