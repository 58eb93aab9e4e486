"""From sound as it comes to expression codes, one a frame, 160 ms after the frame's end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from arguments.clock import SAMPLE_RATE
from live.codes import CODE_DELAY, CodeStream, Spoken
from live.features import ROW_DELAY, FeatureStream
from live.pcm import check_rate, mono
from live.resampler import Resampler
from live.voice_tracker import VoiceTracker
from motion.speech_model import SpeechModel

DELAY = ROW_DELAY + CODE_DELAY
"""Frames between one that is heard and its code."""


@contextmanager
def on_one_core() -> Iterator[None]:
    """Within the context this thread's tensors are worked on by itself: a frame is too little work to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Hearing:
    """Hears one stretch of sound.

    Args:
        model: what says the codes.
        voice: whose sound it is; one that is followed from the usual scale on, unless given.

    Raises:
        EGSTalkerError: the model learnt with features that need the whole recording.
    """

    def __init__(self, model: SpeechModel, voice: VoiceTracker | None = None) -> None:
        self._features = FeatureStream(model.settings.extractor, voice or VoiceTracker())
        self._codes = CodeStream(model)

    def push(self, samples: Float32[np.ndarray, "T"]) -> list[Spoken]:
        """The frames that are known now that these samples (mono, 16 kHz, -1..1) are there."""
        with on_one_core():
            return [said for heard in self._features.push(samples) for said in self._codes.push(heard)]

    def finish(self) -> list[Spoken]:
        """The last frames; the sound is over."""
        with on_one_core():
            said = [said for heard in self._features.finish() for said in self._codes.push(heard)]
            return said + self._codes.finish()


class PcmHearing:
    """:class:`Hearing` of sound of any rate and kind.

    Args:
        model: what says the codes.
        rate: of the sound, Hz.
        channels: of it.
        voice: whose sound it is, as of :class:`Hearing`.

    Raises:
        EGSTalkerError: the rate is not taken, or the model needs whole recordings.
    """

    def __init__(
        self, model: SpeechModel, rate: int = SAMPLE_RATE, channels: int = 1, voice: VoiceTracker | None = None
    ) -> None:
        self._hearing, self._channels = Hearing(model, voice), channels
        self._resampler = Resampler(check_rate(rate), SAMPLE_RATE)
        self._size = model.settings.codes

    def push(self, pcm: object) -> Float[Tensor, "M K"]:
        """The codes that are known now. Raises EGSTalkerError where ``pcm`` is none (:func:`live.pcm.mono`)."""
        return self._stacked(self._hearing.push(self._resampler.push(mono(pcm, self._channels))))

    def finish(self) -> Float[Tensor, "M K"]:
        """The last codes."""
        return self._stacked(self._hearing.push(self._resampler.finish()) + self._hearing.finish())

    def _stacked(self, said: list[Spoken]) -> Float[Tensor, "M K"]:
        return torch.stack([one.code for one in said]) if said else torch.zeros(0, self._size)
