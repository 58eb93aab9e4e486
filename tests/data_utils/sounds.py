"""Sound for tiny videos."""

from __future__ import annotations

import numpy as np


def tone(seconds: float, rate: int = 16000) -> np.ndarray:
    """A 440 Hz tone at half of full scale."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)
