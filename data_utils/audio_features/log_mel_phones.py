"""Log-mel spectra with phones beside them: what a sound is like, and what of speech it could be."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from arguments.device import CPU
from data_utils.audio_features.log_mel import DIMENSION as LOG_MEL_DIMENSION
from data_utils.audio_features.log_mel import log_mel, speech_spectrum
from data_utils.audio_features.phones import DIMENSION as PHONES_DIMENSION
from data_utils.audio_features.phones import phones, speech_cepstrum
from data_utils.audio_features.speech_activity import SpeechActivity, smooth_power, speech_level
from data_utils.audio_features.voice_scale import VoiceScale

DIMENSION = LOG_MEL_DIMENSION + PHONES_DIMENSION


def log_mel_phones(
    samples: np.ndarray,
    num_frames: int,
    fit_frames: int | None = None,
    device: str = CPU,
    scale: VoiceScale | None = None,
) -> Float[np.ndarray, "N 322"]:
    """The 162 values of :func:`log_mel`, then the 160 of :func:`phones`.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        fit_frames: what both normalise by is that of the first so many frames; of all unless given.
        device: where it is done.
        scale: that of the voice, where it is known; ``fit_frames`` then says nothing.

    Returns:
        [N, 322] float32, about -3..5.

    Raises:
        EGSTalkerError: the acoustic model is not installed, or is damaged.
    """
    parts = [extract(samples, num_frames, fit_frames, device, scale) for extract in (log_mel, phones)]
    return np.concatenate(parts, axis=1)


def voice_scale(samples: np.ndarray, device: str = CPU) -> VoiceScale:
    """What the features of a recording are relative to, unless they are given another scale.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        device: where it is done.
    """
    smooth = smooth_power(samples)
    level = speech_level(smooth)
    speech = SpeechActivity(level.level, level.active(smooth))
    return VoiceScale(level, speech_spectrum(samples, speech, device), speech_cepstrum(samples, speech, device))
