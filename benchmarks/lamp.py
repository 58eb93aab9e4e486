"""A person who is a lamp: white in frames with a loud sound, black in others. What is sent can be read of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from arguments.clock import FPS
from data_utils.audio_features import EXTRACTORS
from live.moment import SOUND_SAMPLES
from live.performer import Life, Look, Performer
from motion.speech_model import SpeechModel, SpeechModelSettings

SIZE = 64  # pixels
EVERY = 8  # frames between clicks
_LOUD = 1.0  # of the mouth's code
_CODES = 1


class LoudMouth(SpeechModel):
    """Opens as wide as its own frame is loud, in nothing but that frame."""

    def raw(self, flat: Float[Tensor, "N D"]) -> Float[Tensor, "N 1"]:
        """See :class:`SpeechModel`."""
        return flat[:, :160].mean(1, keepdim=True)


class Lamp(Performer):
    """Lights up as its mouth opens."""

    window = 3
    size = (SIZE, SIZE)

    def __init__(self) -> None:
        shape = EXTRACTORS["log_mel"].shape
        self.speech = LoudMouth(SpeechModelSettings("log_mel", shape, _CODES, 1, 1, -1)).eval()
        for name in ("rest", "pause"):
            getattr(self.speech, name).fill_(-2.0)
        self.wandering = torch.zeros(_CODES, dtype=torch.bool)

    def life(self, seed: int) -> Life:
        """See :class:`Performer`."""
        pose = np.eye(4), np.zeros(12)
        return Life(itertools.repeat(0.0), itertools.repeat(np.zeros(_CODES, np.float32)), itertools.repeat(pose))

    def pictures(self, looks: Sequence[Look]) -> list[np.ndarray]:
        """See :class:`Performer`."""
        return [np.full((SIZE, SIZE, 3), 255 * (float(look.codes[1, 0]) > _LOUD), np.uint8) for look in looks]


def lamp() -> Performer:
    """One, for a stage."""
    return Lamp()


def clicks(frames: int) -> Int16[np.ndarray, "T"]:
    """Silence with a burst of noise in every eighth frame, 48 kHz."""
    sound = np.zeros((frames, SOUND_SAMPLES), np.int16)
    loud = sound[EVERY // 2 :: EVERY]
    loud[:] = np.random.default_rng(0).normal(0, 6500, loud.shape)
    return sound.ravel()


def seconds_between() -> float:
    """From one click to the next."""
    return EVERY / FPS
