"""Sound and a speech model for live use."""

from __future__ import annotations

import numpy as np
import torch
from scipy.signal import lfilter

from data_utils.audio_features import EXTRACTORS
from motion.speech_model import SpeechModel, SpeechModelSettings

CODES = 3


def syllables(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """A buzz of changing pitch and colour in syllables, phrases and pauses, over a faint hiss; float32."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time)
    buzz = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / rate))
    spoken = lfilter([1], [1, -0.9], buzz) + random.normal(0, 2, len(time)) * (np.sin(2 * np.pi * 1.3 * time) > 0.6)
    loudness = np.clip(np.sin(2 * np.pi * 3.1 * time), 0, 1) * (np.sin(2 * np.pi * 0.3 * time + seed) > -0.4)
    return (0.05 * loudness * spoken + random.normal(0, 1e-4, len(time))).clip(-1, 1).astype(np.float32)


def model_of(extractor: str | None = "log_mel_phones", seed: int = 0) -> SpeechModel:
    """A speech model of an extractor that says anything, but closes lips and comes to rest."""
    torch.manual_seed(seed)
    entry = EXTRACTORS[extractor or "log_mel"]
    model = SpeechModel(SpeechModelSettings(extractor, entry.shape, CODES, 2, 8, entry.phones_from))
    model.closure.fill_(1.0)
    model.pause.copy_(torch.tensor([-1.0, 0.5, 0.2]))
    model.rest.copy_(torch.tensor([-2.5, 0.0, 0.1]))
    model.curve[1] *= 1.7
    return model.eval()


def cut(sound: np.ndarray, sizes: object, seed: int = 0) -> list[np.ndarray]:
    """A sound in pieces: of a size, of "random" ones, or "all" at once."""
    if sizes == "all":
        return [sound]
    random = np.random.default_rng(seed)
    pieces, at = [], 0
    while at < len(sound):
        size = int(random.choice([0, 1, 7, 160, 333, 640, 5000])) if sizes == "random" else int(sizes)  # type: ignore[call-overload]
        pieces.append(sound[at : at + size])
        at += size
    return pieces
