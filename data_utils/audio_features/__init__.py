"""Extractors of audio features, one file each, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arguments.errors import EGSTalkerError
from data_utils.audio_features.log_mel import log_mel

Extractor = Callable[[np.ndarray, int], np.ndarray]

SAMPLE_RATE = 16000  # Hz, of the samples that every extractor takes

EXTRACTORS: dict[str, Extractor] = {"log_mel": log_mel}
DEFAULT_EXTRACTOR = "log_mel"


def extract(name: str, samples: np.ndarray, num_frames: int) -> np.ndarray:
    """Audio features, one row for the 40 ms of each video frame.

    Args:
        name: of the extractor; the one that the dataset was made with, for custom audio (dataset.json "extractor").
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; beyond the sound's end there is silence.

    Returns:
        [N, D] float32.

    Raises:
        EGSTalkerError: no extractor of that name.
    """
    if name not in EXTRACTORS:
        raise EGSTalkerError(f"no audio features called {name!r}; choose from {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name](samples, num_frames)
