"""A dataset with DeepSpeech windows from another program: trained from, rendered, and spoken to."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.settings import TrainingSettings
from data_utils import audio_features
from scene.head_files import load_head
from synthesis.film import speak
from tests.tiny_head import SETTINGS, make_dataset, speech_like, write_wav
from training.dataset import TalkingHeadDataset
from training.loop import train
from training.options import TrainOptions

TRAINING = TrainingSettings(
    coarse_iterations=4, iterations=6, batch=2, min_gaussians=50, max_gaussians=150, checkpoint_every=6, motion_frames=4
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[DatasetFolder, Path]:
    """GaussianTalker's kind of folder: [N, 16, 29] float64, no dataset.json; and a head trained on it."""
    root = tmp_path_factory.mktemp("theirs")
    folder = make_dataset(root / "set")
    folder.record.unlink()
    rows = np.random.default_rng(0).normal(0, 5, (24, 16, 29))
    np.save(folder.audio_features, rows)
    np.save(folder.audio_features_ds, rows)
    train(TrainOptions(folder.root, root / "m", replace(SETTINGS, initial_gaussians=120), TRAINING))
    return folder, root / "m"


def render(
    repository: Path, folder: DatasetFolder, model: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "render.py", "-s", folder.root, "--model_path", model, "--skip_train", "--skip_test"]
    command += ["--device", "cpu", *arguments]
    return subprocess.run([*map(str, command)], cwd=repository, capture_output=True, text=True, timeout=120)


def test_deepspeech_windows_train_and_custom_ones_are_rendered_with_their_sound(trained, tmp_path, repository):
    folder, model = trained
    head, record, _ = load_head(model)
    assert tuple(head.feature_shape) == tuple(record.feature_shape) == (16, 29)
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(0, 5, (10, 16, 29)))
    sound = write_wav(tmp_path / "x.wav", speech_like(0.4))
    done = render(repository, folder, model, "--custom_aud", tmp_path / "x.npy", "--custom_wav", sound)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    with av.open(str(model / "custom" / "ours_6" / "renders.mp4")) as container:
        assert container.streams.video[0].frames == 10 and container.streams.audio


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((10, 768), np.float32), r"\(768,\)"),
        (np.zeros((10, 29, 16), np.float32), r"\(29, 16\)"),
        (np.full((10, 16, 29), np.inf), "not finite"),
        (np.array([{}] * 10, object), "not an array"),
    ],
)
def test_custom_features_that_do_not_fit_are_refused_in_one_line(trained, tmp_path, repository, values, message):
    np.save(tmp_path / "x.npy", values, allow_pickle=True)
    done = render(repository, *trained, "--custom_aud", tmp_path / "x.npy")
    remark, lack, error = done.stderr.splitlines()
    assert done.returncode == 1 and "24 rows for 22 frames" in remark and "has no torso of its own" in lack
    assert error.startswith("error: ") and re.search(message, error)


def test_a_sound_without_the_graph_is_answered_with_what_helps(trained, tmp_path, monkeypatch):
    folder, model = trained
    monkeypatch.setattr(audio_features, "MODELS", tmp_path)
    head, _, _ = load_head(model)
    sound = write_wav(tmp_path / "a.wav", speech_like(0.4))
    with pytest.raises(EGSTalkerError, match=r"deepspeech.*download_models\.sh.*--custom_aud"):
        speak(head, TalkingHeadDataset(folder.root), sound, tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def test_features_of_another_version_of_an_extractor_are_told(trained, tmp_path):
    folder, model = trained
    other = DatasetFolder(shutil.copytree(folder.root, tmp_path / "set"))
    other.update_record(extractor="hubert")
    head, _, _ = load_head(model)
    with pytest.raises(EGSTalkerError, match=r"another version of hubert \(\(16, 29\) values a frame, not \(1024,\)\)"):
        speak(head, TalkingHeadDataset(other.root), write_wav(tmp_path / "a.wav", speech_like(0.4)), tmp_path / "a.mp4")
