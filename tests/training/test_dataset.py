"""What a training looks at of a dataset folder: crops, vertices, the frames that teach."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.face_parsing.classes import BACKGROUND, HEAD, TORSO, head_share, to_picture
from imaging.matte import matted
from media.images import read_rgb, write_image
from tests.tiny_head import SIZE, make_dataset
from training.dataset import TalkingHeadDataset


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("whole") / "set").root


@pytest.fixture
def folder(whole, tmp_path) -> DatasetFolder:
    return DatasetFolder(Path(shutil.copytree(whole, tmp_path / "set")))


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
    monkeypatch.setattr("imaging.boxes.CROP_MARGIN", 2)
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


@pytest.mark.parametrize("vertices", [torch.zeros(22, 5), torch.zeros(3, 5, 3), torch.full((22, 5, 3), torch.nan)])
def test_damaged_tracks_are_refused(folder, vertices):
    torch.save({"vertices": vertices}, folder.track_params)
    with pytest.raises(EGSTalkerError, match="--task 8"):
        TalkingHeadDataset(folder.root)


def test_triangles_beyond_the_vertices_are_refused(folder):
    torch.save({"vertices": torch.zeros(22, 5, 3), "faces": torch.tensor([[0, 1, 5]])}, folder.track_params)
    with pytest.raises(EGSTalkerError, match="--task 8"):
        TalkingHeadDataset(folder.root)


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


def test_shared_hair_is_in_the_crop_with_its_share_and_in_the_mask_from_a_half_on(folder):
    share = head_share(read_rgb(folder.parsing_map(3)))
    row, column = np.argwhere(share == 255).max(axis=0)
    share[row - 3, column // 2], share[row - 2, column // 2] = 200, 50
    classes = np.where(share > 127, HEAD, np.where(share > 0, TORSO, BACKGROUND)).astype(np.uint8)
    write_image(folder.parsing_map(3), to_picture(classes, share))
    dataset = TalkingHeadDataset(folder.root)
    np.testing.assert_array_equal(dataset.head_share(3), share)
    np.testing.assert_array_equal(dataset.head_mask(3), share > 127)
    (x, y), (width, height) = dataset.head_boxes()[0][3], dataset.head_boxes()[1]
    inside, crop = share[y : y + height, x : x + width], dataset.crop(3)
    shared = (inside > 0) & (inside < 255)
    assert {50, 200} == set(crop.head[shared].tolist())
    np.testing.assert_array_equal(crop.head, matted(inside, crop.image, crop.background, dataset.width))
