"""What features of sound are relative to: how loud a voice is, and what its speech sounds like on the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from data_utils.audio_features.speech_activity import SpeechLevel


@dataclass(frozen=True)
class VoiceScale:
    """The scale of a voice and its microphone, on which its features lie where every other's do."""

    speech: SpeechLevel
    """How loud it is."""
    spectrum: Float[np.ndarray, "80"]
    """Mean power of the bands of :mod:`data_utils.audio_features.log_mel` while there is speech, of speech brought to
    the level that these features have."""
    cepstrum: Float[np.ndarray, "13"]
    """Mean of the cepstra of :mod:`data_utils.audio_features.phones` then, of speech brought to unit level."""
