"""Who speaks: head, torso, motion and room of a model, ready to be shown at any time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from arguments.device import CPU
from arguments.errors import EGSTalkerError
from live.endless import endless_blinks, endless_idle, endless_poses
from motion.body_motion import middle_frame
from motion.idle import IdleMotion
from motion.model_motion import ModelMotion
from motion.speech_model import SpeechModel
from scene.clip import Clip
from scene.drive import BODY, Drive
from scene.head import GaussianHead
from scene.head_file import opened
from scene.head_files import load_head
from scene.kept_clip import KeptClip
from synthesis.background import CLIP, Background
from synthesis.eyes import blinks_of
from synthesis.poses import head_motion_of
from synthesis.rendering import Behind, render_drive, rooms_of
from synthesis.signal import HEARD, motion_of
from synthesis.torso import LearntTorso, own_torso

Picture = UInt8[np.ndarray, "H W C"]


@dataclass(frozen=True)
class Look:
    """What one picture shows."""

    codes: Float[Tensor, "T K"]
    """Of the frames around, the picture's own in the midst: as many as the head sees."""
    eye: float
    """Blink intensity, 0 (open) to 1."""
    pose: Float[np.ndarray, "4 4"]
    """Head to camera, decimetres."""
    body: Float[np.ndarray, "12"]
    """How the body has moved."""


@dataclass(frozen=True)
class Life:
    """What a person does by itself, without end."""

    blinks: Iterator[float]
    idle: Iterator[np.ndarray]
    """Codes [K]."""
    poses: Iterator[tuple[Float[np.ndarray, "4 4"], Float[np.ndarray, "12"]]]
    """Of head and body."""


@runtime_checkable
class Performer(Protocol):
    """Who a session is about; one performer may be in several sessions, one after the other asking for pictures."""

    speech: SpeechModel
    window: int
    """Frames of codes that a picture sees, its own in the midst."""
    wandering: Bool[Tensor, "K"]
    """Codes of which sound tells nothing: they are idle motion while something is said, too."""

    def life(self, seed: int) -> Life:
        """What it does by itself; the same seed gives the same."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its pictures."""

    def pictures(self, looks: Sequence[Look]) -> list[Picture]:
        """How it looks, in each of any number of moments: RGB, or RGBA before a transparent background."""


class ModelPerformer:
    """A trained model.

    Args:
        head: of the model, on its device.
        motion: with its speech model.
        torso: of the model.
        clip: what lends poses and the room.
        background: what stands behind the person.

    Raises:
        EGSTalkerError: the head is not driven by codes, the torso is another clip's, or the background is unreadable.
    """

    def __init__(
        self,
        head: GaussianHead,
        motion: ModelMotion | None,
        torso: LearntTorso | None,
        clip: Clip,
        background: Background = CLIP,
    ) -> None:
        if motion is None or motion.speech is None:
            raise EGSTalkerError(
                "live use needs a head that motion drives, and its speech model; train one (drive = motion)"
            )
        if torso is None:
            raise EGSTalkerError("live use needs the model's own torso; ./train.sh with --only torso learns it")
        if not torso.is_of(clip):
            raise EGSTalkerError(
                f"the model's torso has learnt from another clip than {clip.root}; give the model's own"
            )
        self.speech = (
            motion.speech.cpu()
        )  # a frame at a time is too little work for a GPU, and waits for those who share it
        self.window = head.settings.signal_window
        self.wandering = _wandering(motion)
        self._head, self._motion, self._torso, self._clip = head, motion, torso, clip
        self._device = next(head.parameters()).device
        self._rooms = rooms_of(clip, background)
        self._behind = Behind(self._device)
        self._rest = middle_frame(clip.camera.viewmats.double().numpy(), clip.usable_mask(clip.train))
        with torch.no_grad():
            self._at_rest = head.at_rest(torso.torso)
        self.pictures([self._still()])  # compiles what it needs

    @classmethod
    def load(cls, model: Path, device: str = CPU, background: Background = CLIP) -> ModelPerformer:
        """That of a model folder (of a head file: :func:`scene.head_file.opened`); all is in memory then.

        Raises:
            EGSTalkerError: something of it is missing or damaged, or cannot be used live.
        """
        head, _, _ = load_head(model, None, device)
        return cls(head, motion_of(head, model), own_torso(model, device), KeptClip(model), background)

    def life(self, seed: int) -> Life:
        """See :class:`Performer`."""
        blinks = map(float, endless_blinks(blinks_of(self._motion, self._clip), seed))
        idle: Iterator[np.ndarray] = itertools.repeat(self.speech.rest.cpu().numpy())
        if isinstance(self._motion.idle, IdleMotion):
            idle = map(np.asarray, endless_idle(self._motion.idle, seed))
        moves = head_motion_of(self._clip)
        if moves is None:
            still = self._still()
            return Life(blinks, idle, itertools.repeat((still.pose, still.body)))
        of_body = self._torso.motion
        rows = map(np.asarray, endless_poses(moves, seed, of_body.measured, of_body.follow))
        return Life(blinks, idle, ((row[:16].reshape(4, 4), row[16:]) for row in rows))

    @property
    def size(self) -> tuple[int, int]:
        """See :class:`Performer`."""
        return self._clip.height, self._clip.width

    @torch.no_grad()
    def pictures(self, looks: Sequence[Look]) -> list[Picture]:
        """See :class:`Performer`; they are rendered together."""
        if not looks:
            return []
        poses = torch.from_numpy(np.stack([look.pose for look in looks])).float()
        camera = replace(self._clip.camera[[self._rest] * len(looks)], viewmats=poses)
        body = torch.from_numpy(np.stack([look.body for look in looks])).float().reshape(-1, BODY)
        codes = torch.stack([look.codes for look in looks])
        numbers = torch.arange(codes.shape[1]).expand(len(looks), -1)
        eyes = torch.tensor([[look.eye] for look in looks])
        drive = Drive(codes, numbers, eyes, camera, body).to(self._device)
        behind = self._behind([next(self._rooms)]).expand(len(looks), -1, -1, -1)
        images = render_drive(self._head, drive, behind, self._at_rest)
        return list(images.mul_(255).round_().byte().cpu().numpy())

    def _still(self) -> Look:
        pose = self._clip.camera.viewmats[self._rest].double().numpy()
        body = self._torso.motion.measured[self._rest]
        return Look(self.speech.rest.cpu().expand(self.window, -1), 0.0, pose, body)


def load_performer(model_path: Path, device: str = CPU, background: Background = CLIP) -> ModelPerformer:
    """That of a model folder or a head file. Raises what :meth:`ModelPerformer.load` does."""
    with opened(model_path) as model:
        return ModelPerformer.load(model, device, background)


def _wandering(motion: ModelMotion) -> Bool[Tensor, "K"]:
    """Codes of the upper face that what is heard does not tell."""
    if motion.speech is None or motion.idle is None:
        return torch.zeros(len(motion.code), dtype=torch.bool)
    unheard = motion.speech.correlation < HEARD
    unheard[: len(motion.code) - len(motion.code.upper)] = False
    return unheard
