"""Batches of frames, cut to their head boxes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from tests.tiny_head import SIZE, make_dataset
from training.dataset import TalkingHeadDataset
from training.frame_store import HOST_BYTES, FrameStore


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("whole") / "set").root


@pytest.fixture
def folder(whole, tmp_path) -> DatasetFolder:
    return DatasetFolder(Path(shutil.copytree(whole, tmp_path / "set")))


def stored(folder: DatasetFolder, host_bytes: int = HOST_BYTES) -> FrameStore:
    dataset = TalkingHeadDataset(folder.root)
    return FrameStore(dataset, dataset.audio, 4, host_bytes=host_bytes)


def test_a_cut_shows_what_the_whole_picture_shows_there(folder, monkeypatch):
    monkeypatch.setattr("imaging.boxes.CROP_MARGIN", 2)
    dataset = TalkingHeadDataset(folder.root)
    batch = FrameStore(dataset, dataset.audio, 4).batch([0, 19])
    height, width = batch.image.shape[1:3]
    assert width < SIZE
    corners, size = dataset.head_boxes()
    assert size == (width, height)
    for k, i in enumerate((0, 19)):
        x, y = corners[i]
        share = torch.from_numpy(dataset.head_share(i)[y : y + height, x : x + width]) / 255
        assert share.sum() == dataset.head_mask(i).sum()
        assert torch.equal(batch.head[k], torch.from_numpy(dataset.crop(i).head) / 255)
        assert (batch.head[k] - share).abs().mean() < 0.03  # its rim alone
        assert batch.mouth[k].any()
        assert batch.drive.eye[k] == dataset.eyes[i]


def test_the_cameras_of_cuts_project_to_the_same_spot(folder, monkeypatch):
    monkeypatch.setattr("imaging.boxes.CROP_MARGIN", 2)
    dataset = TalkingHeadDataset(folder.root)
    batch = FrameStore(dataset, dataset.audio, 4).batch([5])
    point = torch.tensor([[0.3, -0.2, 0.1]])
    whole, cut = dataset.camera[5].project(point), batch.drive.camera.project(point)
    assert batch.corner.any()
    assert torch.allclose(whole - batch.corner, cut, atol=1e-4)


def test_pictures_beyond_the_memory_are_let_go_and_read_again(folder):
    dataset = TalkingHeadDataset(folder.root)
    small, large = (
        FrameStore(dataset, dataset.audio, 4, host_bytes=4 * 7 * 48 * 48),
        FrameStore(dataset, dataset.audio, 4),
    )
    assert large.resident and not small.resident
    for indices, following in (([0], []), (range(12), [3, 3]), ([3, 3], [5]), ([0], [])):
        ours, theirs = small.batch(indices, following), large.batch(indices)
        assert torch.equal(ours.image, theirs.image) and torch.equal(ours.background, theirs.background)
        assert torch.equal(ours.head, theirs.head) and torch.equal(ours.mouth, theirs.mouth)
    assert len(small._kept) <= 4


def test_the_next_batch_is_read_ahead(folder, monkeypatch):
    store = stored(folder, 20 * 7 * 48 * 48)
    store.batch([0, 1], following=[2, 3])
    store.batch([2, 3], following=[])
    read = []
    monkeypatch.setattr(store, "_decode", read.append)
    assert torch.equal(store.batch([3, 0]).index, torch.tensor([3, 0]))
    assert not read


def test_loading_decodes_each_frame_once(folder, monkeypatch):
    store = stored(folder)
    read = []
    decode = store._decode
    monkeypatch.setattr(store, "_decode", lambda i: read.append(i) or decode(i))
    store.load(range(6))
    store.batch([5, 0, 8, 8])
    assert sorted(read) == [0, 1, 2, 3, 4, 5, 8]
