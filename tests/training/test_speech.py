"""The speech model of a training: learnt with the head, learnt again without it, and what is said of it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import metrics
import predict
import train as door
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from arguments.settings import TrainingSettings
from data_utils.audio_features import EXTRACTORS, extract
from media.images import read_rgb
from media.sound import read_audio
from media.video import probe
from motion.model_motion import ModelMotion
from motion.report import write_motion_report
from motion.speech_training import Expectation
from scene.head_files import checkpoints, load_head
from tests.tiny_head import MOTION, make_dataset, make_model, write_wav
from training.dataset import TalkingHeadDataset
from training.loop import learn_speech, train
from training.options import TrainOptions
from training.speech import expectation_lines
from training.trainer import Trainer

MODEL = replace(MOTION, initial_gaussians=100)
TRAINING = TrainingSettings(
    coarse_iterations=2,
    iterations=3,
    batch=2,
    min_gaussians=50,
    max_gaussians=150,
    validation_frames=1,
    motion_frames=2,
)
CONFIG = (
    "ModelSettings = dict(initial_gaussians=100, sh_degree=0, plane_levels=2, plane_finest_resolution=32, "
    "plane_log2_entries=8, feature_dim=8, heads=2, agents=4, lower_codes=2, upper_codes=1)\n"
    "TrainingSettings = dict(coarse_iterations=2, iterations=3, batch=2, min_gaussians=50, max_gaussians=150, "
    "validation_frames=1, motion_frames=2)\n"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A dataset, and a model that was trained on it."""
    root = tmp_path_factory.mktemp("spoken")
    train(options(root, make_dataset(root / "set").root))
    return root


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "spoken"))


@pytest.fixture
def run(monkeypatch) -> Callable[..., int]:
    def call(main: Callable[[], int], *arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["door", *map(str, arguments)])
        return main()

    return call


def options(root: Path, dataset: Path | None = None, **changes) -> TrainOptions:
    return TrainOptions(dataset or root / "set", root / "m", MODEL, replace(TRAINING, **changes))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def hear_otherwise(root: Path, extractor: str) -> None:
    """The dataset's features become those of another extractor."""
    folder = DatasetFolder(root / "set")
    np.save(folder.audio_features, extract(extractor, read_audio(folder.audio), 22))
    folder.update_record(extractor=extractor)


def test_a_training_leaves_the_code_and_the_speech_model(root):
    folder = ModelFolder(root / "m")
    motion, (head, record, _) = ModelMotion.load(folder), load_head(root / "m")
    assert motion.measured.shape == (22, 4) and motion.train == 20
    assert tuple(head.feature_shape) == tuple(record.feature_shape) == (4,) and head.settings.drive == "motion"
    assert motion.speech.settings.extractor == "log_mel" and motion.speech.settings.codes == 4


def test_the_head_learns_from_what_was_measured(root):
    trainer = Trainer(options(root), TalkingHeadDataset(root / "set"))
    assert torch.equal(trainer.signal, trainer.motion.measured)
    drive = trainer.store.drive(torch.tensor([7]))
    assert torch.equal(drive.signal[0], trainer.motion.measured[6:9]) and drive.signal_frames.tolist() == [[6, 7, 8]]
    encoder = trainer.head.deformation.tokens.signal
    assert encoder.closed < trainer.motion.measured[:20, 0].median() and encoder.span > 0.5


def test_only_speech_is_learnt_again_with_other_features_and_the_head_stays(root, run, tmp_path):
    before = contents(root / "m" / "checkpoints")
    code = ModelFolder(root / "m").expression_code.read_bytes()
    hear_otherwise(root, "phones")
    config = tmp_path / "config.py"
    config.write_text(CONFIG)
    assert run(door.main, "-s", root / "set", "--model_path", root / "m", "--configs", config, "--only", "speech") == 0
    assert contents(root / "m" / "checkpoints") == before
    assert ModelFolder(root / "m").expression_code.read_bytes() == code
    settings = ModelMotion.load(ModelFolder(root / "m")).speech.settings
    assert (settings.extractor, settings.feature_shape) == ("phones", EXTRACTORS["phones"].shape)
    assert settings.phones_from == 0

    sound = write_wav(tmp_path / "a.wav", np.zeros(8000))
    asked = ["--audio_path", sound, "--reference_path", root / "set", "--model_path", root / "m"]
    assert run(predict.main, *asked, "--output_dir", tmp_path) == 0
    train(options(root, iterations=4))  # the head goes on: it never heard the features
    assert checkpoints(root / "m")[-1].progress.iteration == 4


def test_features_that_the_speech_model_did_not_learn_from_are_refused_until_it_does(root, run, capsys):
    hear_otherwise(root, "phones")
    asked = ["-s", root / "set", "--model_path", root / "m"]
    assert run(metrics.main, *asked, "--splits", "val") == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "--only speech" in said[0]
    learn_speech(options(root))
    assert run(metrics.main, *asked, "--splits", "val") == 0


def test_without_a_model_or_a_use_for_it_no_speech_is_learnt(root, tmp_path):
    with pytest.raises(EGSTalkerError, match="there is no model"):
        learn_speech(replace(options(root), model_path=tmp_path / "none"))
    by_audio = make_model(tmp_path / "audio", DatasetFolder(root / "set"))
    with pytest.raises(EGSTalkerError, match="driven by audio features"):
        learn_speech(replace(options(root), model_path=by_audio))
    other = make_dataset(tmp_path / "other")
    other.transforms_train.write_text(other.transforms_train.read_text().replace("6.0", "6.5"))
    with pytest.raises(EGSTalkerError, match=r"and .* is another") as refused:
        learn_speech(options(root, other.root))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "none").exists()


def test_a_training_that_goes_on_keeps_its_speech_model_and_learns_one_that_is_gone(root):
    speech = ModelFolder(root / "m").speech_model
    before, code = speech.read_bytes(), ModelFolder(root / "m").expression_code.read_bytes()
    train(options(root, iterations=4))
    assert speech.read_bytes() == before
    speech.unlink()
    train(options(root, iterations=4))  # nothing else is left to do
    assert speech.read_bytes() == before  # of the same seed
    assert ModelFolder(root / "m").expression_code.read_bytes() == code


def test_a_training_that_begins_anew_trusts_no_speech_model_of_before(root):
    shutil.rmtree(root / "m" / "checkpoints")
    speech = ModelFolder(root / "m").speech_model
    speech.write_bytes(b"of another dataset")
    train(options(root))
    assert ModelMotion.load(ModelFolder(root / "m")).speech is not None


def test_damaged_motion_ends_a_training_that_goes_on_in_one_line(root):
    ModelFolder(root / "m").expression_code.write_bytes(b"junk")
    with pytest.raises(EGSTalkerError, match=r"code\.safetensors is damaged; train again") as refused:
        train(options(root, iterations=4))
    assert "\n" not in str(refused.value)


def test_a_head_is_scored_with_what_its_sound_says_and_with_what_was_measured(root, run, capsys):
    asked = ["-s", root / "set", "--model_path", root / "m"]
    assert run(metrics.main, *asked) == 0
    scores = json.loads((root / "m" / "metrics.json").read_text())
    assert list(scores) == ["val", "val_measured"]
    assert all(scores[split]["frames"] == 2 and scores[split]["end_to_end_fps"] > 0 for split in scores)
    weights = scores["val"]["made_from"]["weights"]
    learn_speech(replace(options(root), model_path=root / "m"))
    assert run(metrics.main, *asked, "--splits", "val") == 0
    assert json.loads((root / "m" / "metrics.json").read_text())["val"]["made_from"]["weights"] == weights
    hear_otherwise(root, "phones")
    learn_speech(options(root))  # figures of another speech model are other figures
    assert run(metrics.main, *asked, "--splits", "val") == 0
    assert json.loads((root / "m" / "metrics.json").read_text())["val"]["made_from"]["weights"] != weights
    capsys.readouterr()


def test_val_measured_of_a_head_that_features_drive_is_refused(root, run, tmp_path, capsys):
    model = make_model(tmp_path / "audio", DatasetFolder(root / "set"))
    assert run(metrics.main, "-s", root / "set", "--model_path", model, "--splits", "val_measured") == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "leave out val_measured" in said[0]


def test_a_silent_file_is_spoken(root, run, tmp_path):
    sound = write_wav(tmp_path / "silent.wav", np.zeros(16_000))
    asked = ["--audio_path", sound, "--reference_path", root / "set", "--model_path", root / "m"]
    assert run(predict.main, *asked, "--output_dir", tmp_path / "out") == 0
    assert probe(tmp_path / "out" / "silent.mp4").num_frames == 25


def test_learning_shows_its_report(root, monkeypatch, capsys):
    monkeypatch.setattr("training.speech.write_motion_report", write_motion_report)
    learn_speech(options(root))
    assert read_rgb(ModelFolder(root / "m").motion_report).std() > 10
    said = capsys.readouterr().err
    assert "lips from sound" in said and str(ModelFolder(root / "m").motion_report) in said


@pytest.mark.parametrize(
    ("lag", "words"), [(0, ""), (1, ""), (-2, ""), (2, "80 ms after"), (3, "120 ms after"), (-5, "200 ms before")]
)
def test_sound_and_picture_that_are_apart_are_said(lag, words):
    expected = Expectation(np.array([0.7, 0.2]), 0.9, 0.5, 0.6, 0.1, lag, np.zeros((4, 2)))
    lines = expectation_lines(expected)
    assert "gap correlation 0.70" in lines[0] and "closed lips kept 60%, false 10%" in lines[0]
    assert len(lines) == (2 if words else 1) and words in lines[-1]
