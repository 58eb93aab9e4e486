"""Reading a dataset folder, whole or damaged."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.audio_features.feature_file import read_feature_file
from data_utils.landmark_file import read_landmarks
from scene.reference_clip import ReferenceClip
from tests.tiny_head import make_dataset


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("whole") / "set").root


@pytest.fixture
def folder(whole, tmp_path) -> DatasetFolder:
    return DatasetFolder(Path(shutil.copytree(whole, tmp_path / "set")))


def test_the_last_eleventh_is_held_out(folder):
    dataset = ReferenceClip(folder.root)
    assert (dataset.num_frames, dataset.train, dataset.val) == (22, range(20), range(20, 22))
    assert dataset.feature_shape == (162,)


def test_blinks_are_au45_over_five(folder):
    eyes = ReferenceClip(folder.root).eyes
    assert eyes[3].item() == pytest.approx(0.8)
    assert eyes[4].item() == pytest.approx(0.04)


def test_a_table_of_openface_with_other_columns_is_read(folder):
    rows = [f"{i + 1}, 0.5, {i % 6}.00, 1" for i in range(22)]
    folder.action_units.write_text("frame, AU01_r, AU45_r, AU45_c\n" + "\n".join(rows))
    assert ReferenceClip(folder.root).eyes[:7].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 0])


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("audio_features", 2),
        ("parsing", 4),
        ("background", 5),
        ("torso", 6),
        ("ground_truth", 6),
        ("action_units", 7),
        ("track_params", 8),
        ("transforms_train", 9),
        ("transforms_val", 9),
    ],
)
def test_a_half_made_dataset_names_the_task_that_is_missing(folder, name, task):
    path = getattr(folder, name)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(EGSTalkerError, match=rf"--task {task}"):
        ReferenceClip(folder.root)


def test_a_folder_that_is_not_there_is_said_to_be(tmp_path):
    with pytest.raises(EGSTalkerError, match="there is no dataset folder"):
        ReferenceClip(tmp_path / "none")


class _Malice:
    def __reduce__(self):
        return os.mkdir, (os.environ["MALICE"],)


@pytest.mark.parametrize("name", ["audio_features", "track_params"])
def test_pickled_code_is_never_run(folder, name, tmp_path, monkeypatch):
    trap = tmp_path / "trap"
    monkeypatch.setenv("MALICE", str(trap))
    path = getattr(folder, name)
    if name == "track_params":
        torch.save({"vertices": _Malice()}, path)
    else:
        with path.open("wb") as file:
            np.save(file, np.array([_Malice()], dtype=object), allow_pickle=True)
    with pytest.raises(EGSTalkerError):
        ReferenceClip(folder.root)
    path.write_bytes(pickle.dumps(_Malice()))
    with pytest.raises(EGSTalkerError):
        ReferenceClip(folder.root)
    assert not trap.exists()


@pytest.mark.parametrize(
    "values",
    [np.zeros(22), np.zeros((22, 4, 4, 4)), np.zeros((22, 160), int), np.full((22, 160), np.nan), np.zeros((0, 160))],
)
def test_features_of_another_kind_are_refused(tmp_path, values):
    np.save(tmp_path / "aud.npy", values)
    with pytest.raises(EGSTalkerError, match=r"aud\.npy"):
        read_feature_file(tmp_path / "aud.npy")


def test_too_few_features_are_refused(folder):
    np.save(folder.audio_features, np.zeros((16, 160), np.float32))
    with pytest.raises(EGSTalkerError, match="16 rows for 22 frames"):
        ReferenceClip(folder.root)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"frames": []}', "null"])
def test_damaged_transforms_are_refused(folder, text):
    folder.transforms_val.write_text(text)
    with pytest.raises(EGSTalkerError, match="--task 9"):
        ReferenceClip(folder.root)


@pytest.mark.parametrize("fault", ["nan", "shape", "focal"])
def test_transforms_without_a_camera_are_refused(folder, fault):
    value = json.loads(folder.transforms_train.read_text())
    if fault == "nan":
        value["frames"][0]["transform_matrix"][0][0] = float("nan")
    elif fault == "shape":
        value["frames"][0]["transform_matrix"] = [[1, 0], [0, 1]]
    else:
        value["focal_len"] = -5
    folder.transforms_train.write_text(json.dumps(value))
    with pytest.raises(EGSTalkerError, match="--task 9"):
        ReferenceClip(folder.root)


@pytest.mark.parametrize("text", ["frame, AU45_r\n1, 0.5\n", "frame, AU01_r\n1, 2\n", "", "frame, AU45_r\n1, x\n"])
def test_a_table_without_blinks_is_refused(folder, text):
    folder.action_units.write_text(text)
    with pytest.raises(EGSTalkerError, match="--task 7"):
        ReferenceClip(folder.root)


def test_landmarks_of_another_number_are_refused(folder):
    np.savetxt(folder.landmarks(0), np.zeros((67, 2)))
    with pytest.raises(EGSTalkerError, match="--task 7"):
        read_landmarks(folder, 0)
