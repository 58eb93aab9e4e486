"""When a head blinks while it says something else than its clip did."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from motion.blinks import BlinkModel
from motion.model_motion import ModelMotion
from scene.clip import Clip

Blinking = Literal["own", "reference", "none"]
BLINKING: tuple[Blinking, ...] = ("own", "reference", "none")
"""Blinks made anew as the person blinks, those of the frames that lend the pose, or none."""


def blinks_of(motion: ModelMotion | None, clip: Clip) -> BlinkModel:
    """How the person blinks: as the model knows, or, of one without that, as the training part of its clip shows."""
    if motion is not None and motion.blinks is not None:
        return motion.blinks
    train = clip.train
    return BlinkModel.fit(clip.eyes[train.start : train.stop].double().numpy(), clip.usable_mask(train)[: len(train)])


def eyes_while_speaking(
    blinking: Blinking,
    blinks: BlinkModel,
    num_frames: int,
    *,
    seed: int,
    activity: Float[Tensor, "{num_frames}"] | None = None,
) -> Float[Tensor, "{num_frames}"] | None:
    """The blink intensity of every frame of other speech, 0..1; None where the clip's frames lend theirs.

    Args:
        blinking: where blinks come from.
        blinks: how the person blinks.
        num_frames: of the film.
        seed: of blinks that are made anew.
        activity: share of speech in each frame, 0..1; not known if None.
    """
    if blinking == "reference":
        return None
    if blinking == "none":
        return torch.from_numpy(blinks.still(num_frames))
    return torch.from_numpy(blinks.generate(num_frames, seed, None if activity is None else activity.double().numpy()))
