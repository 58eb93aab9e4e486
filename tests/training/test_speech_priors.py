"""The speech model of a model folder, and other people's speech that it begins with."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import train as door
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from tests.tiny_head import make_dataset, make_model
from training import speech as learning
from training.speech import _dataset_of


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetFolder, DatasetFolder]:
    root = tmp_path_factory.mktemp("data")
    return make_dataset(root / "own"), make_dataset(root / "other", num_frames=60)


def test_a_prior_is_a_dataset_or_the_model_of_one(folders: tuple[DatasetFolder, DatasetFolder], tmp_path: Path) -> None:
    own, other = folders
    assert _dataset_of(other.root, own).root == other.root
    assert _dataset_of(make_model(tmp_path / "m", other), own).root == other.root.resolve()


def test_priors_that_are_none_are_named(folders: tuple[DatasetFolder, DatasetFolder], tmp_path: Path) -> None:
    own, other = folders
    with pytest.raises(EGSTalkerError, match="there is no folder"):
        _dataset_of(tmp_path / "nothing", own)
    with pytest.raises(EGSTalkerError, match="the clip's own"):
        _dataset_of(own.root, own)
    moved = shutil.copytree(other.root, tmp_path / "moved")
    model = make_model(tmp_path / "m", DatasetFolder(moved))
    shutil.rmtree(moved)
    with pytest.raises(EGSTalkerError, match="which is gone"):
        _dataset_of(model, own)


def test_the_command_line_takes_priors_to_the_speech_model(
    folders: tuple[DatasetFolder, DatasetFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = folders
    config = tmp_path / "config.py"
    config.write_text(
        "ModelSettings = dict(initial_gaussians=120, sh_degree=0, plane_levels=2, plane_finest_resolution=32, "
        "feature_dim=8, heads=2, agents=4, lower_codes=2, upper_codes=1)\n"
        "TrainingSettings = dict(coarse_iterations=1, iterations=1, batch=1, motion_frames=4, validation_frames=1, "
        "min_gaussians=50, max_gaussians=150)\n"
    )
    asked: list[list[Path]] = []

    def learn(motion, folder, usable, *, priors, seed, device, done):
        asked.append([prior.root for prior in priors])
        raise EGSTalkerError("learnt enough")

    monkeypatch.setattr(learning, "learn_from_clip", learn)
    line = ["train.py", "-s", own.root, "--model_path", tmp_path / "m", "--configs", config, "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", [*map(str, line), "--speech_prior", str(other.root)])
    assert door.main() == 1
    assert asked == [[other.root]]
