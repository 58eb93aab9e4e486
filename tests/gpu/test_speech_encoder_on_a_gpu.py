"""wav2vec 2.0 and HuBERT on a GPU against the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_utils.audio_features.speech_encoder import Pieces, Waveform, frame_features
from tests.data_utils.test_speech_encoder import at_once, random_model, speech

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]


@pytest.mark.parametrize("kind", ["base", "large"])
def test_pieces_on_a_gpu_give_what_the_whole_recording_gives_on_a_cpu(kind):
    model, samples = random_model(kind), speech(20.0)
    expected = at_once(model, samples, 500)
    rows = frame_features(model.to("cuda"), Waveform(samples, 500, normalise=True), Pieces(tokens=256))
    assert np.abs(rows - expected).max() < 1e-3
