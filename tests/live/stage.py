"""A performer that is no more than its mouth, for sessions whose pictures can be read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from live.performer import Life, Look
from live.session import Session
from motion.speech_model import SpeechModel, SpeechModelSettings
from tests.live.speech import CODES, model_of


class LoudMouth(SpeechModel):
    """Opens as wide as its own frame is loud, in nothing but that frame."""

    def raw(self, flat: Tensor) -> Tensor:
        return flat[:, :160].mean(1, keepdim=True).expand(-1, CODES)


def loud_mouth() -> SpeechModel:
    like = model_of("log_mel")
    model = LoudMouth(SpeechModelSettings("log_mel", like.settings.feature_shape, CODES, 1, 1, -1))
    model.rest.copy_(like.rest)
    model.pause.copy_(like.rest)
    return model.eval()


class Mouth:
    """Its picture is two pixels of its gap's code, as a number of four bytes."""

    window = 3
    size = (1, 1)

    def __init__(self, speech: SpeechModel | None = None, before: Callable[[], None] = lambda: None) -> None:
        self.speech = loud_mouth() if speech is None else speech
        self.wandering = torch.tensor([False] * (CODES - 1) + [True])
        self.looks: list[Look] = []
        self._before = before

    def life(self, seed: int) -> Life:
        pose = np.eye(4), np.zeros(12)
        return Life(itertools.repeat(0.0), itertools.repeat(np.full(CODES, 7.0, np.float32)), itertools.repeat(pose))

    def pictures(self, looks: Sequence[Look]) -> list[np.ndarray]:
        self._before()
        self.looks = [*self.looks[-200:], *looks]
        return [
            np.frombuffer(np.float32(look.codes[1, 0]).tobytes(), np.uint8).reshape(1, 1, 4).copy() for look in looks
        ]


def gap_of(picture: np.ndarray) -> float:
    """The gap's code that a picture of :class:`Mouth` shows."""
    return float(np.frombuffer(picture.tobytes(), np.float32)[0])


def steps(session: Session, count: int) -> list:
    return [session.step() for _ in range(count)]


def sound_of(moments: list) -> np.ndarray:
    return np.concatenate([moment.sound for moment in moments])


def events_of(moments: list) -> list[tuple[str, int, int, int]]:
    """Kind, utterance, milliseconds played, and the frame."""
    return [(one.kind, one.utterance, one.played_ms, moment.frame) for moment in moments for one in moment.events]
