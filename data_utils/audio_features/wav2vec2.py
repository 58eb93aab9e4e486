"""wav2vec 2.0 features (Baevski et al., NeurIPS 2020): the last hidden states of wav2vec2-base-960h."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DIMENSION = 768


def wav2vec2(samples: np.ndarray, num_frames: int, folder: Path, device: str | None = None) -> np.ndarray:
    """Row i is the mean of the two tokens (20 ms each) of video frame i, in the context of the whole recording.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        folder: facebook/wav2vec2-base-960h as the Hugging Face hub lays it out.
        device: of PyTorch; the GPU where there is one unless given.

    Returns:
        [N, 768] float32.

    Raises:
        EGSTalkerError: a file of the model is absent, damaged or of another model.
    """
    from transformers import Wav2Vec2Model  # seconds to load: only where it is wanted

    from arguments.device import fastest_device
    from data_utils.audio_features.pretrained import load_speech_model, normalises
    from data_utils.audio_features.speech_encoder import Waveform, frame_features

    model = load_speech_model(Wav2Vec2Model, folder, DIMENSION).to(device or fastest_device())
    return frame_features(model, Waveform(samples, num_frames, normalise=normalises(folder)))
