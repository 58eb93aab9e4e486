"""Every reader of files meets broken, foreign and malicious ones: it reads them, or says so in one line."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from data_utils.audio_features.feature_file import read_feature_file
from data_utils.face_mesh import load_or_detect
from data_utils.soundtrack import write_audio
from data_utils.source import Source
from data_utils.transforms import write_transforms
from media.video import read_frames
from scene.head_files import Progress, load_head
from synthesis.speech import speech_features
from tests.data_utils.sounds import tone
from tests.robustness.damage import STRANGERS, at_most, damaged, traps
from tests.tiny_head import make_dataset, make_head, make_model, speech_like, write_wav
from tests.tiny_video import write_video
from training.checkpoints import load_training_state, save_checkpoint
from training.dataset import TalkingHeadDataset

ROUNDS = 40
N = 22


@dataclass(frozen=True)
class Reader:
    """A file inside ``root`` and what reads it."""

    file: str
    read: Callable[[Path], object]  # of ``root``


def _dataset(root: Path) -> None:
    dataset = TalkingHeadDataset(root / "set")
    assert dataset.audio.isfinite().all() and dataset.vertices.isfinite().all()
    assert dataset.camera.viewmats.isfinite().all() and dataset.eyes.isfinite().all()
    dataset.crop(2)
    dataset.feature_boxes(2)


def _video(root: Path) -> None:
    source = Source(root / "clip.mp4")
    for frame in read_frames(source.path, source.info.num_frames):
        assert frame.dtype == np.uint8 and frame.shape[2] == 3
    write_audio(source, DatasetFolder(root / "clip"))
    shutil.rmtree(root / "clip")


def _sound(root: Path) -> None:
    assert speech_features(root / "speech.wav", "log_mel", root).isfinite().all()


def _mesh(root: Path) -> None:
    load_or_detect(DatasetFolder(root / "set"))


READERS = {
    "video": Reader("clip.mp4", _video),
    "sound": Reader("speech.wav", _sound),
    "features": Reader("set/aud.npy", lambda root: read_feature_file(root / "set/aud.npy")),
    "blinks": Reader("set/au.csv", _dataset),
    "track": Reader("set/track_params.pt", _dataset),
    "poses": Reader("set/track_params.pt", lambda root: write_transforms(DatasetFolder(root / "set"), N, (64, 64))),
    "transforms": Reader("set/transforms_train.json", _dataset),
    "record": Reader("set/dataset.json", lambda root: DatasetFolder(root / "set").read_record()),
    "parsing": Reader("set/parsing/2.png", _dataset),
    "torso": Reader("set/torso_imgs/2.png", _dataset),
    "truth": Reader("set/gt_imgs/2.jpg", _dataset),
    "background": Reader("set/bc.jpg", _dataset),
    "landmarks": Reader("set/ori_imgs/2.lms", _dataset),
    "mesh": Reader("set/face_mesh.npz", _mesh),
    "weights": Reader("model/checkpoints/fine-00500/head.safetensors", lambda root: load_head(root / "model")),
    "settings": Reader("model/settings.json", lambda root: load_head(root / "model")),
    "progress": Reader("model/checkpoints/fine-00500/state.json", lambda root: load_head(root / "model")),
    "training state": Reader(
        "model/checkpoints/fine-00500/training.pth",
        lambda root: load_training_state(ModelFolder(root / "model").checkpoint("fine", 500)),
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    folder = make_dataset(root / "set", N)
    track = torch.load(folder.track_params, weights_only=True)
    poses = {"euler": torch.zeros(N, 3), "trans": torch.tensor([[0.0, 0.0, -6.0]]).expand(N, 3).clone()}
    torch.save({**track, **poses}, folder.track_params)
    model = make_model(root / "model", folder)
    state = {"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}, "poses": torch.zeros(20, 6)}
    save_checkpoint(ModelFolder(model).checkpoint("fine", 500), make_head(), state, Progress("fine", 500))
    write_wav(root / "speech.wav", speech_like(1.0))
    write_video(root / "clip.mp4", np.arange(56) / 25, audio=tone(2.2))
    np.savez(folder.face_mesh, points=np.zeros((N, 478, 3), np.float32), found=np.ones(N, bool))
    return root


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "root"))


def refuse(*_: object, **__: object) -> None:
    raise EGSTalkerError("no face in the video")


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def reads_or_says_so(reader: Reader, root: Path) -> str | None:
    """The one line that is said, or None where the file was read; anything else fails the test."""
    with at_most(60), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader.read(root)
        except EGSTalkerError as error:
            assert str(error) and "\n" not in str(error)
            return str(error)
        except OSError as error:  # a door says these in one line, too
            assert error.strerror
            return str(error)
    return None


@pytest.mark.parametrize("name", READERS)
def test_the_whole_file_is_read(name, root, monkeypatch):
    monkeypatch.setattr("data_utils.face_mesh.detect_in_files", lambda *_, **__: pytest.fail("it was not read"))
    assert reads_or_says_so(READERS[name], root) is None


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name, root, monkeypatch):
    monkeypatch.setattr("data_utils.face_mesh.detect_in_files", refuse)  # what a useless cache leads to
    reader, generator = READERS[name], np.random.default_rng(list(name.encode()))
    path = root / reader.file
    original = path.read_bytes()
    before = files(root)
    refused = 0
    for data in [*STRANGERS, *(damaged(original, generator) for _ in range(ROUNDS))]:
        path.write_bytes(data)
        refused += reads_or_says_so(reader, root) is not None
        path.write_bytes(original)
        after = files(root)
        written = {"set/transforms_train.json", "set/transforms_val.json"} if name == "poses" else set()
        assert {file for file in after if before.get(file) != after[file]} <= {root / file for file in written}
        for file in written:
            (root / file).write_bytes(before[root / file])
    assert refused >= len(STRANGERS) // 2
    path.unlink()
    path.mkdir()
    assert reads_or_says_so(reader, root) is not None


@pytest.mark.parametrize("name", READERS)
def test_a_pickle_in_any_disguise_is_not_opened(name, root, tmp_path, monkeypatch):
    monkeypatch.setattr("data_utils.face_mesh.detect_in_files", refuse)
    trap = tmp_path / "sprung"
    for data in traps(trap):
        (root / READERS[name].file).write_bytes(data)
        assert reads_or_says_so(READERS[name], root) is not None
        assert not trap.exists()


def test_the_traps_do_spring(tmp_path):
    for number, data in enumerate(traps(tmp_path / "sprung")):
        source = tmp_path / "file"
        source.write_bytes(data)
        if number < 3:
            pickle.loads(data)
        elif number < 5:
            loaded = np.load(source, allow_pickle=True)
            loaded = loaded["arr_0"] if number == 4 else loaded
        else:
            torch.load(source, weights_only=False)
        (tmp_path / "sprung").rmdir()


@pytest.mark.parametrize("kind", range(6))
def test_preprocessing_a_file_of_another_kind_leaves_one_line_and_no_folder(kind, tmp_path, repository):
    (tmp_path / "clip.mp4").write_bytes(STRANGERS[kind])
    command = [sys.executable, repository / "data_utils" / "process.py", tmp_path / "clip.mp4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("option", ["--custom_aud", "--custom_wav"])
def test_rendering_other_speech_from_a_damaged_file_is_one_line(option, root, repository):
    path = root / ("speech.npy" if option == "--custom_aud" else "broken.wav")
    path.write_bytes(STRANGERS[0])
    command = [sys.executable, repository / "render.py", "-s", root / "set", "--model_path", root / "model"]
    command += ["--skip_train", "--skip_test", "--device", "cpu", option, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ") and "Traceback" not in done.stderr
    assert not list((root / "model").glob("custom/**/*.mp4*"))
