"""Features of speech encoders that taught themselves on unlabelled speech: wav2vec 2.0 and HuBERT.

Baevski et al., NeurIPS 2020; Hsu et al., TASLP 2021. Row i is the mean of the two tokens (20 ms each) of video frame i
in the encoder's last layer, in the context of the whole recording.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from arguments.device import fastest_device

WAV2VEC2_BASE, HUBERT_LARGE = 768, 1024  # values a token


def wav2vec2(
    samples: Float[np.ndarray, "T"],
    num_frames: int,
    folder: Path,
    device: str | None = None,
    fit_frames: int | None = None,
) -> Float32[np.ndarray, "{num_frames} 768"]:
    """The last hidden states of wav2vec2-base-960h.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        folder: facebook/wav2vec2-base-960h as the Hugging Face hub lays it out.
        device: of PyTorch; the GPU where there is one unless given.
        fit_frames: the sound is normalised by the statistics of the first so many frames; of all unless given.

    Returns:
        [N, 768] float32.

    Raises:
        EGSTalkerError: a file of the model is absent, damaged or of another model.
    """
    from transformers import Wav2Vec2Model  # seconds to load: only where it is wanted

    return _last_hidden_states(Wav2Vec2Model, WAV2VEC2_BASE, samples, num_frames, folder, device, fit_frames)


def hubert(
    samples: Float[np.ndarray, "T"],
    num_frames: int,
    folder: Path,
    device: str | None = None,
    fit_frames: int | None = None,
) -> Float32[np.ndarray, "{num_frames} 1024"]:
    """The last hidden states of hubert-large-ls960-ft, [N, 1024] float32; all else as of :func:`wav2vec2`."""
    from transformers import HubertModel

    return _last_hidden_states(HubertModel, HUBERT_LARGE, samples, num_frames, folder, device, fit_frames)


def _last_hidden_states(
    model_class: Any,
    width: int,
    samples: Float[np.ndarray, "T"],
    num_frames: int,
    folder: Path,
    device: str | None,
    fit_frames: int | None,
) -> Float32[np.ndarray, "{num_frames} width"]:
    from data_utils.audio_features.pretrained import load_speech_model, normalises
    from data_utils.audio_features.speech_encoder import Waveform, frame_features

    model = load_speech_model(model_class, folder, width).to(device or fastest_device())
    waveform = Waveform(samples, num_frames, normalise=normalises(folder), fit_frames=fit_frames)
    return frame_features(model, waveform)
