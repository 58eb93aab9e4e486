"""wav2vec 2.0 and HuBERT on a GPU against the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_utils.audio_features.speech_encoder import Pieces, Waveform, frame_features

small = pytest.importorskip(
    "tests.data_utils.test_speech_encoder", exc_type=ImportError
)  # another transformers is there
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]


@pytest.mark.parametrize("kind", ["base", "large"])
def test_pieces_on_a_gpu_give_what_the_whole_recording_gives_on_a_cpu(kind):
    model, samples = small.random_model(kind), small.speech(20.0)
    expected = small.at_once(model, samples, 500)
    rows = frame_features(model.to("cuda"), Waveform(samples, 500, normalise=True), Pieces(tokens=256))
    assert np.abs(rows - expected).max() < 1e-3
