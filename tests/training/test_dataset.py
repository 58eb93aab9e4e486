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
from media.images import write_image
from tests.tiny_head import SIZE, make_dataset
from training.dataset import TalkingHeadDataset
from training.frame_store import FrameStore


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("whole") / "set").root


@pytest.fixture
def folder(whole, tmp_path) -> DatasetFolder:
    return DatasetFolder(Path(shutil.copytree(whole, tmp_path / "set")))


def test_the_last_eleventh_is_held_out(folder):
    dataset = TalkingHeadDataset(folder.root)
    assert (dataset.num_frames, dataset.train, dataset.val) == (22, range(20), range(20, 22))
    assert dataset.feature_shape == (162,)


def test_blinks_are_au45_over_five(folder):
    eyes = TalkingHeadDataset(folder.root).eyes
    assert eyes[3].item() == pytest.approx(0.8)
    assert eyes[4].item() == pytest.approx(0.04)


def test_a_table_of_openface_with_other_columns_is_read(folder):
    rows = [f"{i + 1}, 0.5, {i % 6}.00, 1" for i in range(22)]
    folder.action_units.write_text("frame, AU01_r, AU45_r, AU45_c\n" + "\n".join(rows))
    assert TalkingHeadDataset(folder.root).eyes[:7].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 0])


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("audio_features", 2),
        ("frames", 3),
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
        TalkingHeadDataset(folder.root)


def test_a_folder_that_is_not_there_is_said_to_be(tmp_path):
    with pytest.raises(EGSTalkerError, match="there is no dataset folder"):
        TalkingHeadDataset(tmp_path / "none")


@pytest.mark.parametrize(
    ("lost", "left_out"), [([3, 4, 21], [3, 4]), ([], []), (None, []), ("3", []), ([[3], None, 5], [5])]
)
def test_frames_in_which_the_person_is_lost_are_not_learnt(folder, lost, left_out):
    folder.update_record(lost_frames=lost)
    assert TalkingHeadDataset(folder.root).learnt == [i for i in range(20) if i not in left_out]


def test_where_every_frame_is_lost_all_are_learnt(folder):
    folder.update_record(lost_frames=list(range(22)))
    assert TalkingHeadDataset(folder.root).learnt == list(range(20))


@pytest.mark.parametrize("blank", [[0, 7], list(range(5, 20))])
def test_frames_without_a_head_are_not_learnt_where_nothing_says_that_they_are_lost(folder, blank):
    for i in blank:
        write_image(folder.parsing_map(i), np.full((SIZE, SIZE, 3), 255, np.uint8))
    dataset = TalkingHeadDataset(folder.root)
    assert dataset.learnt == [i for i in range(20) if i not in blank]
    assert dataset.usable([0, 6, 21]) == [i for i in (0, 6, 21) if i not in blank]


@pytest.mark.parametrize("recorded", [True, False])
def test_frames_without_the_person_have_no_say_in_the_crop(folder, recorded, monkeypatch):
    monkeypatch.setattr("training.dataset.CROP_MARGIN", 2)
    corners, size = TalkingHeadDataset(folder.root).head_boxes()
    lost = [9, 10]
    if recorded:
        folder.update_record(lost_frames=lost)
    for i in lost:  # somebody larger, or nobody
        write_image(folder.parsing_map(i), np.full((SIZE, SIZE, 3), (0, 0, 255) if recorded else 255, np.uint8))
    without, same_size = TalkingHeadDataset(folder.root).head_boxes()
    assert same_size == size and max(size) < SIZE
    assert np.array_equal(np.delete(without, lost, axis=0), np.delete(corners, lost, axis=0))
    assert np.abs(without[lost] - corners[lost]).max() <= 1  # between its neighbours', as the head slides


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
        TalkingHeadDataset(folder.root)
    path.write_bytes(pickle.dumps(_Malice()))
    with pytest.raises(EGSTalkerError):
        TalkingHeadDataset(folder.root)
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
    np.save(folder.audio_features, np.zeros((21, 160), np.float32))
    with pytest.raises(EGSTalkerError, match="21 rows for 22 frames"):
        TalkingHeadDataset(folder.root)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"frames": []}', "null"])
def test_damaged_transforms_are_refused(folder, text):
    folder.transforms_val.write_text(text)
    with pytest.raises(EGSTalkerError, match="--task 9"):
        TalkingHeadDataset(folder.root)


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
        TalkingHeadDataset(folder.root)


@pytest.mark.parametrize("vertices", [torch.zeros(22, 5), torch.zeros(3, 5, 3), torch.full((22, 5, 3), torch.nan)])
def test_damaged_tracks_are_refused(folder, vertices):
    torch.save({"vertices": vertices}, folder.track_params)
    with pytest.raises(EGSTalkerError, match="--task 8"):
        TalkingHeadDataset(folder.root)


def test_triangles_beyond_the_vertices_are_refused(folder):
    torch.save({"vertices": torch.zeros(22, 5, 3), "faces": torch.tensor([[0, 1, 5]])}, folder.track_params)
    with pytest.raises(EGSTalkerError, match="--task 8"):
        TalkingHeadDataset(folder.root)


@pytest.mark.parametrize("text", ["frame, AU45_r\n1, 0.5\n", "frame, AU01_r\n1, 2\n", "", "frame, AU45_r\n1, x\n"])
def test_a_table_without_blinks_is_refused(folder, text):
    folder.action_units.write_text(text)
    with pytest.raises(EGSTalkerError, match="--task 7"):
        TalkingHeadDataset(folder.root)


def test_landmarks_of_another_number_are_refused(tmp_path):
    path = tmp_path / "0.lms"
    np.savetxt(path, np.zeros((67, 2)))
    with pytest.raises(EGSTalkerError, match="--task 7"):
        read_landmarks(path)


def test_a_cut_shows_what_the_whole_picture_shows_there(folder, monkeypatch):
    monkeypatch.setattr("training.dataset.CROP_MARGIN", 2)
    dataset = TalkingHeadDataset(folder.root)
    batch = FrameStore(dataset, 4).batch([0, 19])
    height, width = batch.image.shape[1:3]
    assert width < SIZE
    corners, size = dataset.head_boxes()
    assert size == (width, height)
    for k, i in enumerate((0, 19)):
        x, y = corners[i]
        assert batch.head[k].sum() == dataset.head_mask(i).sum()
        assert torch.equal(batch.head[k], torch.from_numpy(dataset.head_mask(i)[y : y + height, x : x + width]))
        assert batch.mouth[k].any()
        assert batch.drive.eye[k] == dataset.eyes[i]


def test_the_cameras_of_cuts_project_to_the_same_spot(folder, monkeypatch):
    monkeypatch.setattr("training.dataset.CROP_MARGIN", 2)
    dataset = TalkingHeadDataset(folder.root)
    batch = FrameStore(dataset, 4).batch([5])
    point = torch.tensor([[0.3, -0.2, 0.1]])
    whole, cut = dataset.camera[5].project(point), batch.drive.camera.project(point)
    assert batch.corner.any()
    assert torch.allclose(whole - batch.corner, cut, atol=1e-4)


def test_pictures_beyond_the_memory_are_let_go_and_read_again(folder):
    dataset = TalkingHeadDataset(folder.root)
    small, large = FrameStore(dataset, 4, host_bytes=4 * 7 * 48 * 48), FrameStore(dataset, 4)
    assert large.resident and not small.resident
    for indices, following in (([0], []), (range(12), [3, 3]), ([3, 3], [5]), ([0], [])):
        ours, theirs = small.batch(indices, following), large.batch(indices)
        assert torch.equal(ours.image, theirs.image) and torch.equal(ours.background, theirs.background)
        assert torch.equal(ours.head, theirs.head) and torch.equal(ours.mouth, theirs.mouth)
    assert len(small._kept) <= 4


def test_the_next_batch_is_read_ahead(folder, monkeypatch):
    store = FrameStore(TalkingHeadDataset(folder.root), 4, host_bytes=20 * 7 * 48 * 48)
    store.batch([0, 1], following=[2, 3])
    store.batch([2, 3], following=[])
    read = []
    monkeypatch.setattr(store, "_decode", read.append)
    assert torch.equal(store.batch([3, 0]).index, torch.tensor([3, 0]))
    assert not read


def test_loading_decodes_each_frame_once(folder, monkeypatch):
    store = FrameStore(TalkingHeadDataset(folder.root), 4)
    read = []
    decode = store._decode
    monkeypatch.setattr(store, "_decode", lambda i: read.append(i) or decode(i))
    store.load(range(6))
    store.batch([5, 0, 8, 8])
    assert sorted(read) == [0, 1, 2, 3, 4, 5, 8]


@pytest.mark.parametrize("zipped", [True, False])
def test_vertices_of_half_precision_are_read_without_being_copied(folder, zipped):
    vertices = torch.randn(22, 40, 3).half()
    params = {"vertices": vertices, "faces": torch.tensor([[0, 1, 2]])}
    torch.save(params, folder.track_params, _use_new_zipfile_serialization=zipped)
    dataset = TalkingHeadDataset(folder.root)
    assert dataset.vertices.dtype == torch.float16 and torch.equal(dataset.vertices, vertices)


def test_vertices_that_are_no_numbers_are_refused(folder):
    torch.save({"vertices": torch.zeros(22, 5, 3, dtype=torch.int64)}, folder.track_params)
    with pytest.raises(EGSTalkerError, match="--task 8"):
        TalkingHeadDataset(folder.root)
