"""The figure and the picture that a training shows of held-out frames."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from imaging.error_map import error_map
from media.images import read_rgb, write_image
from tests.tiny_head import SETTINGS, SIZE, make_dataset, make_head
from training.dataset import TalkingHeadDataset
from training.frame_store import FrameStore
from training.validation import validate


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> TalkingHeadDataset:
    return TalkingHeadDataset(make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=110).root)


@pytest.fixture(scope="module")
def store(dataset) -> FrameStore:
    return FrameStore(dataset, dataset.audio, SETTINGS.signal_window)


def invisible_head():
    head = make_head()
    with torch.no_grad():
        head.model.logit_opacities.fill_(-20.0)
    return head


def box_of(dataset: TalkingHeadDataset, i: int) -> tuple[slice, slice]:
    corners, (width, height) = dataset.head_boxes()
    x, y = corners[i]
    return slice(y, y + height), slice(x, x + width)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return -10 * np.log10(((a.astype(float) - b.astype(float)) ** 2).mean() / 255**2)


def test_an_invisible_head_scores_as_its_backdrop_does(dataset, store, tmp_path):
    expected, ends = [], (dataset.val[0], dataset.val[-1])
    for i in ends:
        truth = read_rgb(dataset.folder.ground_truth_image(i))
        backdrop = np.full((SIZE, SIZE, 3), 128)
        backdrop[45:] = (150, 30, 30)  # the torso picture's opaque part
        expected.append(psnr(truth[box_of(dataset, i)], backdrop[box_of(dataset, i)]))
    picture = tmp_path / "folder" / "picture.png"
    found = validate(invisible_head(), store, 2, moving=False, picture=picture)
    assert found == pytest.approx(np.mean(expected), abs=0.05)


def test_the_picture_shows_truth_render_and_error_of_at_most_four_frames(dataset, store, tmp_path):
    for count, rows in ((1, 1), (3, 3), (10, 4), (99, 4)):
        validate(invisible_head(), store, count, moving=False, picture=tmp_path / "picture.png")
        picture = read_rgb(tmp_path / "picture.png")
        height, width = (s.stop - s.start for s in box_of(dataset, 0))
        assert picture.shape == (rows * height, 3 * width, 3)
    first = dataset.val[0]
    truth, shown, error = np.split(picture[:height], 3, axis=1)
    assert np.array_equal(truth, read_rgb(dataset.folder.ground_truth_image(first))[box_of(dataset, first)])
    assert tuple(shown[2, 2]) == (128, 128, 128)
    assert np.array_equal(error, error_map(shown, truth))


def moving_head():
    head = make_head()
    with torch.no_grad():
        for parameter in head.deformation.decoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return head


def test_only_a_moving_head_is_deformed(store, tmp_path):
    head, still = moving_head(), make_head()

    def score(which, moving):
        return validate(which, store, 2, moving=moving, picture=tmp_path / "picture.png")

    assert score(head, False) == pytest.approx(score(still, False))
    assert abs(score(head, True) - score(still, True)) > 0.1


def test_validation_neither_learns_nor_drops_out_and_leaves_the_head_training(store, tmp_path):
    head = moving_head().train()
    scores = {validate(head, store, 2, moving=True, picture=tmp_path / "picture.png") for _ in "ab"}
    assert len(scores) == 1
    assert head.training
    assert all(parameter.grad is None for parameter in head.parameters())


def test_frames_without_the_person_are_not_scored(dataset, tmp_path):
    folder = DatasetFolder(Path(shutil.copytree(dataset.folder.root, tmp_path / "set")))
    lost = list(dataset.val)[1:]
    folder.update_record(lost_frames=lost)
    for i in lost:
        write_image(folder.ground_truth_image(i), np.zeros((SIZE, SIZE, 3), np.uint8))
    scores = [
        validate(
            invisible_head(), FrameStore(clip, clip.audio, 4), count, moving=False, picture=tmp_path / "picture.png"
        )
        for clip, count in ((dataset, 1), (TalkingHeadDataset(folder.root), 10))
    ]
    assert scores[1] == scores[0]
