"""One utterance: PCM comes in as a caller has it and goes out in frames, once to be heard and once to be played."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int16

from arguments.clock import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from live.moment import SOUND_RATE, SOUND_SAMPLES
from live.pcm import to_int16
from live.resampler import Resampler


@dataclass(frozen=True)
class Frame:
    """The 40 ms of an utterance that belong to one frame; silence beside it where it begins or ends within it."""

    heard: Float32[np.ndarray, "640"]
    """16 kHz."""
    sound: Int16[np.ndarray, "1920"]
    """48 kHz."""
    milliseconds: float
    """How much of it is the utterance's."""


SILENCE = Frame(np.zeros(SAMPLES_PER_FRAME, np.float32), np.zeros(SOUND_SAMPLES, np.int16), 0.0)


class Utterance:
    """What is said at a stretch.

    A frame goes out as soon as its last sample is here. The first of a stretch begins with as much silence as lets what
    is here end with a frame: sound that comes in real time then waits for no rest of a frame. What a resampler knows 2
    ms later (4 ms at 8 kHz) is later by that in the frames, all along: nothing is left out.

    Args:
        number: of the utterance.
        rate: of its sound, Hz; one of :data:`live.pcm.RATES`, all of which have whole frames.

    Attributes:
        waiting: samples that have come and not gone out.
        ended: whether no more comes.
        has_started: whether some of it was played.
        played: milliseconds of it that were.
        under_way: frames that have gone out and were not played yet.
    """

    def __init__(self, number: int, rate: int) -> None:
        self.number, self.rate = number, rate
        self.waiting = self.under_way = 0
        self.ended = self.has_started = False
        self.played = 0.0
        self._sound: deque[np.ndarray] = deque()
        self._size = rate // FPS  # samples of a frame
        self._is_flowing = False  # whether a stretch has begun
        self._to_hear, self._to_play = _Resampled(rate, SAMPLE_RATE), _Resampled(rate, SOUND_RATE)

    @property
    def is_over(self) -> bool:
        """Whether all of it was played."""
        return self._is_given and self.under_way == 0

    @property
    def _is_given(self) -> bool:
        return self.ended and self.waiting == 0 and self._to_play.is_empty

    def add(self, samples: Float32[np.ndarray, "T"]) -> None:
        """More of it; -1..1."""
        if self._sound and len(self._sound[-1]) < self._size:  # or single samples would take a hundredfold of memory
            self._sound[-1] = np.concatenate([self._sound[-1], samples])
        else:
            self._sound.append(samples)
        self.waiting += len(samples)

    def take(self, *, ahead: bool = False) -> Frame | None:
        """The next frame; None where it is not there yet, or never will be.

        Args:
            ahead: before it is due: more of it may come until then.
        """
        if self._is_given:
            return None
        lead = 0
        if not self.ended and (not self._is_flowing or self.waiting < self._size):
            if ahead:
                return None
            self._is_flowing = self.waiting > 0
            if not self._is_flowing:
                return None
            lead = -self.waiting % self._size
        piece = self._next(self._size - lead)
        led = np.pad(piece, (lead, 0))
        self._to_hear.push(led)
        self._to_play.push(led)
        if self.ended and self.waiting == 0:
            self._to_hear.finish()
            self._to_play.finish()
        heard, sound = self._to_hear.take(SAMPLES_PER_FRAME), self._to_play.take(SOUND_SAMPLES)
        return Frame(heard, to_int16(sound), 1000 * len(piece) / self.rate)

    def _next(self, count: int) -> Float32[np.ndarray, "T"]:
        """The source's next samples, fewer at the end."""
        parts, missing = [np.zeros(0, np.float32)], count
        while missing and self._sound:
            piece = self._sound.popleft()
            parts.append(piece[:missing])
            if len(piece) > missing:
                self._sound.appendleft(piece[missing:])
            missing -= len(parts[-1])
        self.waiting -= count - missing
        return np.concatenate(parts)


class _Resampled:
    """Sound of another rate, later by what its resampler lags."""

    def __init__(self, source: int, target: int) -> None:
        self._resampler = Resampler(source, target)
        self._samples = np.zeros(self._resampler.lag, np.float32)
        self._is_finished = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no more."""
        return len(self._samples) == 0 and (self._is_finished or self._resampler.lag == 0)

    def push(self, samples: Float32[np.ndarray, "T"]) -> None:
        self._samples = np.concatenate([self._samples, self._resampler.push(samples)])

    def finish(self) -> None:
        """No more comes."""
        if not self._is_finished:
            self._samples = np.concatenate([self._samples, self._resampler.finish()])
            self._is_finished = True

    def take(self, count: int) -> Float32[np.ndarray, "{count}"]:
        """The first so many; silence after the last."""
        taken, self._samples = self._samples[:count], self._samples[count:]
        return np.pad(taken, (0, count - len(taken)))
