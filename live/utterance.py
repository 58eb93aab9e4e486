"""One utterance: PCM comes in as a caller has it and goes out in frames, once to be heard and once to be played."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int16

from arguments.clock import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from live.moment import FRAME_MS, SOUND_RATE, SOUND_SAMPLES
from live.pcm import to_int16
from live.resampler import Resampler


@dataclass(frozen=True)
class Frame:
    """The 40 ms of an utterance that belong to one frame; before silence where it ends within it."""

    heard: Float32[np.ndarray, "640"]
    """16 kHz."""
    sound: Int16[np.ndarray, "1920"]
    """48 kHz."""
    milliseconds: float
    """How much of it is the utterance's."""


SILENCE = Frame(np.zeros(SAMPLES_PER_FRAME, np.float32), np.zeros(SOUND_SAMPLES, np.int16), 0.0)


class Utterance:
    """What is said at a stretch.

    Args:
        number: of the utterance.
        rate: of its sound, Hz; one of :data:`live.pcm.RATES`, all of which have whole frames.

    Attributes:
        waiting: samples that have come and not gone out.
        ended: whether more comes.
        has_started: whether some of it was played.
        played: milliseconds of it that were.
        under_way: frames that have gone out and were not played yet.
    """

    def __init__(self, number: int, rate: int) -> None:
        self.number, self.rate = number, rate
        self.waiting = self.under_way = 0
        self.ended = self.has_started = False
        self.played = 0.0
        self._left = 0  # samples that frames have not gone out with
        self._sound: deque[np.ndarray] = deque()
        self._to_hear, self._to_play = _Ready(rate, SAMPLE_RATE), _Ready(rate, SOUND_RATE)

    @property
    def is_over(self) -> bool:
        """Whether all of it was played."""
        return self.ended and self._left == 0 and self.under_way == 0

    def add(self, samples: Float32[np.ndarray, "T"]) -> None:
        """More of it; -1..1."""
        self._sound.append(samples)
        self.waiting += len(samples)
        self._left += len(samples)

    def take(self) -> Frame | None:
        """The next frame; None where it is not there yet, or never will be."""
        while not self._is_ready() and self._sound:
            piece = self._sound.popleft()
            now, later = piece[: self.rate // FPS], piece[self.rate // FPS :]
            if len(later):
                self._sound.appendleft(later)
            self.waiting -= len(now)
            self._to_hear.push(now)
            self._to_play.push(now)
        if self.ended and not self._sound:
            self._to_hear.finish()
            self._to_play.finish()
        if self._left == 0 or not (self._is_ready() or self._to_play.is_finished):
            return None
        length = min(FRAME_MS, 1000 * self._left / self.rate)
        self._left = max(0, self._left - self.rate // FPS)
        return Frame(self._to_hear.take(SAMPLES_PER_FRAME), to_int16(self._to_play.take(SOUND_SAMPLES)), length)

    def _is_ready(self) -> bool:
        return self._to_hear.length >= SAMPLES_PER_FRAME and self._to_play.length >= SOUND_SAMPLES


class _Ready:
    """Resampled sound that waits."""

    def __init__(self, source: int, target: int) -> None:
        self._resampler = Resampler(source, target)
        self._samples = np.zeros(0, np.float32)
        self.is_finished = False

    @property
    def length(self) -> int:
        return len(self._samples)

    def push(self, samples: Float32[np.ndarray, "T"]) -> None:
        self._samples = np.concatenate([self._samples, self._resampler.push(samples)])

    def finish(self) -> None:
        if not self.is_finished:
            self._samples = np.concatenate([self._samples, self._resampler.finish()])
            self.is_finished = True

    def take(self, count: int) -> Float32[np.ndarray, "{count}"]:
        """The first so many; silence after the last."""
        taken, self._samples = self._samples[:count], self._samples[count:]
        return np.pad(taken, (0, count - len(taken)))
