"""Another rate for sound that is not over yet: the same samples however it is cut.

A windowed sinc, one row of taps for each place that a sample of the result can have between two of the source
(Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983), by Kaiser's window: 80 dB down from the lower
rate's half on. What comes out is not shifted; it comes 32 samples of the lower rate later, 2 ms at 16 kHz.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from jaxtyping import Float, Float32
from numpy.lib.stride_tricks import sliding_window_view

_CROSSINGS = 32  # of the sinc, to either side
_CUTOFF = 0.95  # of half the lower rate, where half is left: the slope ends about there
_BETA = 7.86  # of the window: 80 dB
_AT_ONCE = 8192  # samples of the source: bounds memory to 30 MB


class Resampler:
    """Turns pieces of sound of one rate into pieces of another.

    Args:
        source: samples a second of what is pushed.
        target: of what comes out.

    Example:
        >>> halved = Resampler(32_000, 16_000)
        >>> len(halved.push(np.zeros(1000, np.float32))), len(halved.finish())
        (468, 32)
    """

    def __init__(self, source: int, target: int) -> None:
        common = math.gcd(source, target)
        self._up, self._down = target // common, source // common
        self._half = 0 if source == target else math.ceil(_CROSSINGS * max(1.0, source / target))
        self._kept = np.zeros(self._half, np.float32)
        self._first = -self._half  # place of the first kept sample in the source
        self._pushed = self._given = 0
        self.lag = -(-self._half * self._up // self._down)
        """Samples of the result that at most are not there yet of what was pushed."""

    def push(self, samples: Float32[np.ndarray, "T"]) -> Float32[np.ndarray, "U"]:
        """The samples that are ready now that these are there."""
        parts = [self._push(samples[at : at + _AT_ONCE]) for at in range(0, len(samples), _AT_ONCE)]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def finish(self) -> Float32[np.ndarray, "U"]:
        """The last samples, before silence: as many in all as the source lasts."""
        wanted = -(-self._pushed * self._up // self._down) - self._given
        return self._push(np.zeros(self._half + self._down // self._up + 1, np.float32))[:wanted]

    def _push(self, samples: Float32[np.ndarray, "T"]) -> Float32[np.ndarray, "U"]:
        self._pushed += len(samples)
        if self._half == 0:
            self._given += len(samples)
            return samples
        self._kept = np.concatenate([self._kept, samples])
        ready = -(-(self._pushed - self._half) * self._up // self._down)  # their taps are all there
        at = np.arange(self._given, max(ready, self._given), dtype=np.int64) * self._down
        if not len(at):
            return np.zeros(0, np.float32)
        self._given += len(at)
        taps = _taps(self._up, self._down)
        begin = at // self._up - self._half + 1 - self._first
        around = sliding_window_view(self._kept, taps.shape[1])[begin]
        result = np.einsum("ut,ut->u", around, taps[at % self._up], dtype=np.float64).astype(np.float32)
        drop = int((self._given * self._down) // self._up) - self._half + 1 - self._first
        self._kept = self._kept[max(drop, 0) :].copy()
        self._first += max(drop, 0)
        return result


@functools.lru_cache(maxsize=64)
def _taps(up: int, down: int) -> Float[np.ndarray, "{up} W"]:
    """The weights of the samples around each place between two samples of the source."""
    stretch = max(1.0, down / up)
    half = math.ceil(_CROSSINGS * stretch)
    away = np.arange(up)[:, None] / up - np.arange(-half + 1, half + 1)
    window = np.i0(_BETA * np.sqrt(np.clip(1 - np.square(away / half), 0, None))) / np.i0(_BETA)
    taps = np.sinc(away * _CUTOFF / stretch) * window
    return taps / taps.sum(axis=1, keepdims=True)
