"""The same speech as other microphones, rooms and voices would give it.

People drive a head with recordings unlike the clip that it learnt from. Noise and a tilted spectrum stand for their
rooms and microphones (as in Hannun et al., "Deep Speech", 2014, and Ko et al., Interspeech 2015), a changed speed for
other voices: it moves pitch and formants along with time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from arguments.clock import SAMPLE_RATE
from data_utils.audio_features.speech_activity import speech_activity

SPEEDS = (0.92, 1.09)


@dataclass(frozen=True)
class Room:
    """What a recording's surroundings add to it."""

    decibels: float
    """Of the speech above the noise."""
    colour: float
    """The noise's power falls with the frequency to this power: 0 white, 1 pink, 2 brown."""
    tilt: float
    """Of each sample's predecessor how much is added; 0.5: 9.5 dB from the lowest to the highest frequencies."""


ROOMS = (
    Room(22.0, 0.0, 0.5),
    Room(18.0, 1.0, -0.5),
    Room(14.0, 2.0, 0.25),
    Room(11.0, 0.0, -0.25),
    Room(8.0, 1.0, 0.0),
    Room(5.0, 2.0, 0.0),
)
_LEVEL_BELOW = 30.0  # Hz: coloured noise is no stronger farther down


@dataclass(frozen=True)
class SoundVariant:
    """Samples and how much faster they run than the original."""

    samples: Float32[np.ndarray, "T"]
    speed: float


def sound_variants(samples: Float32[np.ndarray, "T"], seed: int) -> Iterator[SoundVariant]:
    """Other recordings of the same speech: in each of ROOMS; slower, faster.

    Args:
        samples: mono at 16 kHz, -1..1.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    level = speech_activity(samples).level
    for room in ROOMS:
        tilted = samples + np.float32(room.tilt) * np.concatenate([samples[:1], samples[:-1]])
        noise = np.float32(level * 10 ** (-room.decibels / 20)) * _noise(len(samples), room.colour, rng)
        yield SoundVariant(tilted + noise, 1.0)
    for speed in SPEEDS:
        at = np.arange(int(len(samples) / speed)) * speed
        yield SoundVariant(np.interp(at, np.arange(len(samples)), samples).astype(np.float32), speed)


def _noise(length: int, colour: float, rng: np.random.Generator) -> Float32[np.ndarray, "{length}"]:
    """Gaussian noise of unit power whose spectrum falls with the frequency."""
    size = next_fast_len(max(length, 2), real=True)
    spectrum = rfft(rng.standard_normal(size, dtype=np.float32))
    hertz = np.maximum(rfftfreq(size, 1 / SAMPLE_RATE), _LEVEL_BELOW).astype(np.float32)
    noise = irfft(spectrum * hertz ** np.float32(-colour / 2), size)
    return (noise / np.sqrt(np.square(noise).mean()))[:length]
