"""Which pieces of a recording are speech by their loudness, and how loud that speech is.

The active speech level in the spirit of ITU-T P.56: the mean power of the pieces above a threshold that lies a fixed
margin below that mean, sought from the loud side, so that neither the amount nor the kind of what is between and
around the speech counts. Steady noise that is louder than that raises the threshold: it is known by the softest pieces,
which are all about as loud (minimum statistics: Martin, IEEE Trans. Speech and Audio Processing 2001), as those of
speech and its pauses are not. A recording that stays below an absolute gate (as in ITU-R BS.1770) has no speech.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from data_utils.audio_features.hops import HOP, HOPS_PER_FRAME, chunks

_MARGIN = 10**1.59  # of power, from a piece that just counts to the level: 15.9 dB (P.56)
_GATE = 10**-5.0  # of full-scale power: what stays below -50 dBFS is a room, not a voice
_LOUDEST = 10**1.5  # of power, from the level to the loudest speech; what is louder by more than 15 dB is a bang
_SOFTEST = (0.05, 0.1, 0.15)  # shares of the pieces: noise is steady where the first and the last are as alike as ...
_STEADY = 2.0  # ... this, of power: 3 dB
_ABOVE_NOISE = 2.5  # of power, from the noise to a piece that counts: 4 dB
_AUDIBLE = 4.0  # of power, from the noise to the level: less than 6 dB below a voice nothing tells them apart
_NOISE_PIECES = 200  # 2 s, in which there is a pause
SILENT_POWER = 10**-10.0  # of full-scale power: a file's digital silence, -100 dBFS
_USUAL_LEVEL = 0.05  # root mean square of recorded speech, -26 dBFS
_ENOUGH = 30  # pieces of speech from which its level is taken as it is: 0.3 s
_SMOOTHING = 5  # pieces over which loudness is averaged: 50 ms
SMOOTHING_REACH = _SMOOTHING // 2  # pieces on either side of one that say how loud it is


@dataclass(frozen=True)
class SpeechActivity:
    """The speech of a recording of M pieces of 10 ms."""

    level: float  # root mean square while there is speech, of full scale
    active: Bool[np.ndarray, "M"]  # whether a piece is part of it

    def mean(
        self, values: Callable[[int, int], Float[Tensor, "P C"]], usual: Float[np.ndarray, "C"], weight: float
    ) -> Float[np.ndarray, "C"]:
        """The mean of something over the pieces that are speech.

        Args:
            values: of the pieces of the video frames start..stop, four each.
            usual: what speech usually has; it counts as ``weight`` pieces more.
        """
        total = weight * usual.astype(np.float64)
        for start, stop in chunks(-(-len(self.active) // HOPS_PER_FRAME)):
            active = self.active[start * HOPS_PER_FRAME : stop * HOPS_PER_FRAME]
            if active.any():
                pieces = values(start, stop)
                chosen = torch.from_numpy(np.flatnonzero(active)).to(pieces.device)
                total = total + pieces[chosen].sum(0, dtype=torch.float64).cpu().numpy()
        return total / (weight + np.count_nonzero(self.active))


@dataclass(frozen=True)
class SpeechLevel:
    """How loud speech is, and between which powers a piece of 10 ms is part of it."""

    level: float  # root mean square while there is speech, of full scale
    softest: float  # power of the 50 ms around a piece, of full scale: what is louder is speech ...
    loudest: float  # ... if it is softer than this

    def active(self, smooth: Float[np.ndarray, "M"]) -> Bool[np.ndarray, "M"]:
        """Whether each piece is part of the speech; ``smooth``: of :func:`smooth_power`."""
        return (smooth > self.softest) & (smooth < self.loudest)


USUAL_SPEECH = SpeechLevel(_USUAL_LEVEL, max(_USUAL_LEVEL**2 / _MARGIN, _GATE), 1.0)
"""That of recordings of which nothing else is known: nothing is too loud for it."""


def speech_activity(samples: np.ndarray, given: SpeechLevel | None = None) -> SpeechActivity:
    """The level of active speech, and where it is.

    Args:
        samples: mono [T] at 16 kHz, -1..1; may lie on disk.
        given: how loud the speech is; found in ``samples``, as :func:`speech_level` does, if None.

    Returns:
        the level, more than 0, and [T // 160] flags.
    """
    smooth = smooth_power(samples)
    speech = given or speech_level(smooth)
    return SpeechActivity(speech.level, speech.active(smooth))


def speech_level(smooth: Float[np.ndarray, "M"]) -> SpeechLevel:
    """How loud the speech among pieces of 10 ms is.

    The loudest 0.3 s count as loud as the least of them, so that a click does not pass for a voice (or the loudest
    quarter, if that is less). With under 0.3 s above -50 dBFS the level leans on the usual one of recordings, and is
    that where there is none.

    Args:
        smooth: of :func:`smooth_power`.
    """
    loud = -np.sort(-smooth[smooth > SILENT_POWER])
    heard = int(np.count_nonzero(loud > _GATE))
    if heard == 0:
        return SpeechLevel(_USUAL_LEVEL, np.inf, np.inf)
    loud = np.minimum(loud, loud[min(_ENOUGH, heard // 4)])
    mean = np.cumsum(loud) / np.arange(1, len(loud) + 1)
    beyond = np.flatnonzero(mean >= _MARGIN * loud)
    power = mean[beyond[0] if len(beyond) else -1]
    softest, noise = power / _MARGIN, _noise_power(smooth, power) * _ABOVE_NOISE
    least, most = max(softest, noise), power * _LOUDEST
    active = (smooth > least) & (smooth < most)
    if noise > softest and active.any():
        power = np.minimum(smooth[active], loud[0]).mean()
    trust = min(heard / _ENOUGH, 1.0)
    level = np.sqrt(power) ** trust * _USUAL_LEVEL ** (1 - trust)
    return SpeechLevel(float(level), float(least), float(most))


def _noise_power(smooth: Float[np.ndarray, "M"], speech: float) -> float:
    """Of the steady noise under speech of so much power; 0 where none is known."""
    if len(smooth) < _NOISE_PIECES:
        return 0.0
    least, noise, most = np.quantile(smooth, _SOFTEST)
    return float(noise) if most <= _STEADY * least and speech >= _AUDIBLE * noise else 0.0


def smooth_power(samples: np.ndarray) -> Float[np.ndarray, "M"]:
    """The mean power of the 50 ms around each piece of 10 ms.

    Args:
        samples: mono [T] at 16 kHz, -1..1; may lie on disk.

    Returns:
        [T // 160], of full scale.
    """
    return smoothed(piece_power(samples))


def piece_power(samples: np.ndarray) -> Float[np.ndarray, "M"]:
    """The mean power of each whole piece of 10 ms: of [T] samples at 16 kHz, [T // 160]."""
    pieces = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    power = np.einsum("ij,ij->i", pieces, pieces) / HOP  # without a copy: samples may be an hour, mapped from disk
    return power.astype(np.float64)


def smoothed(power: Float[np.ndarray, "M"]) -> Float[np.ndarray, "M"]:
    """The mean of the five pieces around each; beyond the ends there is silence."""
    around = np.pad(power, SMOOTHING_REACH)
    return np.mean([around[i : i + len(power)] for i in range(_SMOOTHING)], axis=0)
