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

from data_utils.audio_features.speech_activity import speech_activity

SPEEDS = (0.92, 1.09)
ROOMS = ((20.0, 0.5), (12.0, -0.5), (6.0, 0.0))
"""dB of the speech above the noise; and of each sample's predecessor how much is added or taken away (0.5: 9.5 dB from
the lowest to the highest frequencies)."""


@dataclass(frozen=True)
class SoundVariant:
    """Samples and how much faster they run than the original."""

    samples: Float32[np.ndarray, "T"]
    speed: float


def sound_variants(samples: Float32[np.ndarray, "T"], seed: int) -> Iterator[SoundVariant]:
    """Other recordings of the same speech: noisy and dull, noisier and sharp, noisiest; slower, faster.

    Args:
        samples: mono at 16 kHz, -1..1.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    level = speech_activity(samples).level
    for noise, tilt in ROOMS:
        tilted = samples + np.float32(tilt) * np.concatenate([samples[:1], samples[:-1]])
        hiss = rng.normal(0, level * 10 ** (-noise / 20), len(samples)).astype(np.float32)
        yield SoundVariant(tilted + hiss, 1.0)
    for speed in SPEEDS:
        at = np.arange(int(len(samples) / speed)) * speed
        yield SoundVariant(np.interp(at, np.arange(len(samples)), samples).astype(np.float32), speed)
