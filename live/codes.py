"""A speech model that hears its features one by one, and says a frame as soon as it knows enough of what follows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from live.features import Heard
from motion.speech_model import CALM, ONSET, SpeechModel
from motion.speech_network import LOOK_AHEAD, LOOK_BACK

CODE_DELAY = LOOK_AHEAD  # frames between a row and its frame's code
assert ONSET <= LOOK_AHEAD


@dataclass(frozen=True)
class Spoken:
    """What the face does in one frame."""

    code: Float[Tensor, "K"]
    following: Float[Tensor, "K"]
    """What it will do in the next, as far as is known: the last row heard stands for one that is not there yet."""


class CodeStream:
    """Says what :class:`motion.speech_model.SpeechModel` does of whole recordings."""

    def __init__(self, model: SpeechModel) -> None:
        self._model = model
        self._rows: deque[Tensor] = deque(maxlen=LOOK_BACK + 1 + LOOK_AHEAD)
        self._activity: deque[float] = deque(maxlen=CALM + 1 + LOOK_AHEAD)
        self._heard = self._said = 0

    def push(self, heard: Heard) -> list[Spoken]:
        """The frame that is known now that this one is; none for the first two."""
        self._rows.append(torch.from_numpy(heard.features).to(self._model.mean.device))
        self._activity.append(heard.activity)
        self._heard += 1
        return [self._say()] if self._heard > CODE_DELAY else []

    def finish(self) -> list[Spoken]:
        """The last frames, after which the last row and its activity go on."""
        return list(self._rest())

    def _rest(self) -> Iterator[Spoken]:
        while self._said < self._heard:
            yield self._say()

    @torch.no_grad()
    def _say(self) -> Spoken:
        ahead = self._heard - self._said  # rows from this frame's own on
        at = -ahead
        codes = self._model(torch.stack(list(self._rows)))[at:][:2]
        codes = torch.cat([codes, codes[-1:]])[:2]
        activity = torch.tensor(list(self._activity), dtype=codes.dtype, device=codes.device)
        speaking, resting = (one[[at, min(at + 1, -1)]] for one in self._model.voicing(activity))
        now, following = self._model.paused(codes, speaking, resting)
        self._said += 1
        return Spoken(now, following)
