"""What drives a head's face while it says something else than its clip did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from motion.face_measures import FaceMeasures
from motion.model_motion import ModelMotion
from motion.speech_model import SpeechModel, SpeechModelSettings
from synthesis.signal import signal_of, speaking_signal


@pytest.fixture
def motion() -> ModelMotion:
    """Of five codes: the gap, two of the lips, two of the rest of the face, of which one is heard."""
    rng = np.random.default_rng(0)
    face = FaceMeasures(rng.normal(0, 0.1, (300, 6, 3)), rng.random(300), np.zeros(300))
    torch.manual_seed(0)
    speech = SpeechModel(SpeechModelSettings("log_mel", (4,), 5, 2, 8, -1)).eval()
    speech.correlation.copy_(torch.tensor([0.6, 0.05, 0.3, 0.4, 0.05]))
    return replace(ModelMotion.of_clip(face, np.arange(270), 270, lower=2, upper=2), speech=speech)


def test_brows_that_are_not_heard_are_idle_and_lips_say_what_is_heard(motion: ModelMotion) -> None:
    features = torch.randn(400, 4, generator=torch.Generator().manual_seed(1))
    heard = signal_of(motion, features)
    own, again, other = (speaking_signal(motion, features, seed=seed) for seed in (0, 0, 1))
    torch.testing.assert_close(own[:, :4], heard[:, :4], rtol=0, atol=0)
    assert motion.idle is not None
    np.testing.assert_array_equal(own[:, 4].numpy(), motion.idle.generate(400, 0)[:, 4])
    assert not torch.equal(own[:, 4], heard[:, 4])
    torch.testing.assert_close(own, again, rtol=0, atol=0)
    assert not torch.equal(own, other)


def test_brows_move_on_in_silence(motion: ModelMotion) -> None:
    signal = speaking_signal(motion, torch.zeros(400, 4), torch.zeros(400), seed=0)
    assert signal[200:, 4].std() > 0.05
    assert signal[200:, 0].std() == 0


def test_models_of_older_versions_say_what_is_heard(motion: ModelMotion, tmp_path: Path) -> None:
    features = torch.randn(50, 4)
    older = replace(motion, idle=None)
    torch.testing.assert_close(speaking_signal(older, features, seed=0), signal_of(motion, features))
    torch.testing.assert_close(speaking_signal(None, features, seed=0), features)
    path = tmp_path / "speech.safetensors"
    assert motion.speech is not None
    motion.speech.save(path)
    torch.testing.assert_close(SpeechModel.load(path).correlation, motion.speech.correlation)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    values = {name: value for name, value in load_file(path).items() if name != "correlation"}
    save_file(values, path, metadata=metadata)
    assert SpeechModel.load(path).correlation.tolist() == [1] * 5
