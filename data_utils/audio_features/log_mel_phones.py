"""Log-mel spectra with phones beside them: what a sound is like, and what of speech it could be."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from arguments.device import CPU
from data_utils.audio_features.log_mel import DIMENSION as LOG_MEL_DIMENSION
from data_utils.audio_features.log_mel import log_mel
from data_utils.audio_features.phones import DIMENSION as PHONES_DIMENSION
from data_utils.audio_features.phones import phones

DIMENSION = LOG_MEL_DIMENSION + PHONES_DIMENSION


def log_mel_phones(
    samples: np.ndarray, num_frames: int, fit_frames: int | None = None, device: str = CPU
) -> Float[np.ndarray, "N 322"]:
    """The 162 values of :func:`log_mel`, then the 160 of :func:`phones`.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        fit_frames: what both normalise by is that of the first so many frames; of all unless given.
        device: where it is done.

    Returns:
        [N, 322] float32, about -3..5.

    Raises:
        EGSTalkerError: the acoustic model is not installed, or is damaged.
    """
    return np.concatenate([extract(samples, num_frames, fit_frames, device) for extract in (log_mel, phones)], axis=1)
