"""What is heard in a clip: how much speech, how far above what is around it, and how much of it was cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import binary_closing

from data_utils.audio_features.speech_activity import SILENT_POWER, smooth_power, speech_activity
from data_utils.soundtrack import clipped_share
from data_utils.track_choice import quiet_share

_HANGOVER = 20  # pieces of 10 ms that a pause lasts at least (ITU-T P.56)
_COMES_AND_GOES = 0.05  # of the pieces of a second are quiet: 0.12 and more of recorded speech, 0 of noise and tones
_QUIETEST = 5  # percentile of the loudness that is not speech: of the recordings of people here, all pause as often


@dataclass(frozen=True)
class SoundMeasures:
    """Of the sound of a clip."""

    speech: float  # seconds
    speech_to_noise: float  # dB from what is heard in the quietest moments to the level of the speech
    clipped: float  # share of the samples that were cut off at full scale


def measure_sound(samples: Float32[np.ndarray, "T"]) -> SoundMeasures:
    """Measure a sound track.

    Args:
        samples: mono at 16 kHz, -1..1.
    """
    level, power = speech_activity(samples).level, smooth_power(samples)
    noise = max(float(np.percentile(power, _QUIETEST)), SILENT_POWER) if len(power) else SILENT_POWER
    above = max(level**2 - noise, SILENT_POWER)
    return SoundMeasures(
        speech=0.01 * np.count_nonzero(speech_pieces(samples)),
        speech_to_noise=float(10 * np.log10(above / noise)),
        clipped=clipped_share(samples),
    )


def speech_pieces(samples: Float32[np.ndarray, "T"]) -> np.ndarray:
    """The pieces of 10 ms in which somebody speaks, short pauses among them: as loud as the speech, and in seconds in
    which the loudness comes and goes.

    Args:
        samples: mono at 16 kHz, -1..1.

    Returns:
        bool [T // 160].
    """
    active = speech_activity(samples).active
    varies = np.repeat(quiet_share(samples) >= _COMES_AND_GOES, 100)
    varies = np.pad(varies, (0, max(0, len(active) - len(varies))), mode="edge" if len(varies) else "constant")
    padded = np.pad(active & varies[: len(active)], _HANGOVER)
    return binary_closing(padded, np.ones(_HANGOVER + 1))[_HANGOVER:-_HANGOVER]
