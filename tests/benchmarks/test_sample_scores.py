"""Scores of datasets against a sample's truth: right where nothing is wrong, and planted faults are counted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from benchmarks.parsing_accuracy import parsing_accuracy
from benchmarks.sample_truth import HEAD_BOX, SampleTruth, read_sample_truth
from benchmarks.track_accuracy import track_accuracy, trust_of
from data_utils.face_parsing.classes import to_colours
from data_utils.face_tracking.rotations import matrix_to_euler
from media.images import write_image
from sample.parts import COVER

COUNT, SIZE, FOCAL = 60, 128, 270.0


def poses() -> tuple[np.ndarray, np.ndarray]:
    time = np.arange(COUNT) / 25
    angles = np.stack([6 * np.sin(2 * time), 20 * np.sin(1.3 * time), 4 * np.sin(1.7 * time)], -1)
    shift = np.stack([0.3 * np.sin(time), 0.2 * np.cos(time), -8 + 0.4 * np.sin(0.9 * time)], -1)
    return Rotation.from_euler("XYZ", angles, degrees=True).as_matrix(), shift


def pixels(points: np.ndarray, rotation: np.ndarray, shift: np.ndarray, width: float, height: float) -> np.ndarray:
    x, y, z = np.moveaxis(points @ np.swapaxes(rotation, 1, 2) + shift[:, None], -1, 0)
    return np.stack([width / 2 - FOCAL * x / z, height / 2 + FOCAL * y / z], -1)


@pytest.fixture
def truth() -> SampleTruth:
    rotation, shift = poses()
    masks = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    masks[:, 30:80, 40:90], masks[:, 80:90, 55:75], masks[:, 90:, 20:110] = 1, 2, 3
    room = np.full((SIZE, SIZE, 3), 120, np.uint8)
    corners = pixels(HEAD_BOX, rotation, shift, SIZE, SIZE)
    always, never = np.ones(COUNT, bool), np.zeros(COUNT, bool)
    return SampleTruth(rotation, corners, np.ones(COUNT), always, never, masks, room, (0, 0, SIZE), SIZE)


def write_track(folder: DatasetFolder, rotation: np.ndarray, shift: np.ndarray, **more: np.ndarray) -> None:
    """A track in another head frame: turned, moved, and 1.3 times as large."""
    gauge, move = Rotation.from_rotvec([0.1, -0.05, 0.03]).as_matrix(), np.array([0.1, -0.2, 0.05])
    track = {
        "focal": torch.tensor([FOCAL]),
        "euler": torch.from_numpy(matrix_to_euler(rotation @ gauge)),
        "trans": torch.from_numpy(1.3 * (shift + rotation @ move)),
        "found": torch.ones(COUNT, dtype=torch.bool),
        **{name: torch.from_numpy(values) for name, values in more.items()},
    }
    folder.root.mkdir(exist_ok=True)
    torch.save(track, folder.track_params)


def test_a_true_track_in_another_head_frame_has_no_error(tmp_path, truth):
    write_track(folder := DatasetFolder(tmp_path / "set"), *poses())
    found = track_accuracy(folder, truth)
    assert found.rotation_degrees < 1e-3 and found.jitter_degrees < 1e-3 and found.median_pixels < 1e-2
    assert found.frames_off == found.untrusted == found.trusted_off == 0


def test_frames_that_are_off_are_counted_and_those_without_trust_told_apart(tmp_path, truth):
    rotation, shift = poses()
    wrong = np.isin(np.arange(COUNT), (5, 6, 7, 30, 31, 50))
    rotation[wrong] = Rotation.from_rotvec([0, np.radians(8), 0]).as_matrix() @ rotation[wrong]
    trust = np.where(np.arange(COUNT) < 10, ~wrong, True).astype(np.float32)  # the first three are known to be wrong
    write_track(folder := DatasetFolder(tmp_path / "set"), rotation, shift, trust=trust)
    found = track_accuracy(folder, truth)
    assert found.frames_off == pytest.approx(6 / COUNT)
    assert found.untrusted == pytest.approx(3 / COUNT) and found.trusted_off == pytest.approx(3 / COUNT)
    assert found.rotation_degrees == pytest.approx(8 * np.sqrt(3 / (COUNT - 3)), rel=0.1)
    gone = track_accuracy(folder, replace(truth, present=~wrong))
    assert gone.frames_off == 0 and gone.median_pixels < 0.5


def test_trust_is_what_a_track_says_or_where_the_face_was_found_and_fits():
    found, fits = torch.tensor([True, True, False]), torch.tensor([0.9, 0.2, 0.9])
    assert trust_of({"found": found, "correlation": fits}).tolist() == [True, False, False]
    assert trust_of({"found": found}).tolist() == [True, True, False]
    assert trust_of({"trust": torch.tensor([False, True, True])}).tolist() == [False, True, True]


def test_a_track_that_trusts_nothing_is_one_clear_error(tmp_path, truth):
    write_track(folder := DatasetFolder(tmp_path / "set"), *poses(), trust=np.zeros(COUNT, np.float32))
    with pytest.raises(EGSTalkerError, match="trusts 0 of 60"):
        track_accuracy(folder, truth)


def test_the_truth_is_seen_by_the_crops_camera_at_25_frames_a_second(tmp_path):
    """A film of 384 x 216 at 50 fps whose crop is right of the middle: an independent projection of the same head."""
    rotation, shift = (np.repeat(values, 2, axis=0) for values in poses())
    shift += np.array([1.2, 0.3, 0])
    film = {"rotation": rotation, "translation": shift, "focal": FOCAL, "times": np.arange(2 * COUNT) / 50}
    film |= {"eye_open": np.linspace(0, 1, 2 * COUNT), "present": np.ones(2 * COUNT, bool)}
    film |= {"covered": np.zeros(2 * COUNT, bool), "mask": np.zeros((2 * COUNT, 216, 384), np.uint8)}
    film["mask"][:, :, 200:] = 1
    np.savez(tmp_path / "truth.npz", **film)
    folder = DatasetFolder(tmp_path / "set")
    folder.root.mkdir()
    (folder.root / "dataset.json").write_text(json.dumps({"num_frames": COUNT, "crop": [150, 8, 200], "size": 100}))
    truth = read_sample_truth(tmp_path / "truth.npz", folder)
    assert truth.background is None and truth.room() is None
    assert truth.labels(0).shape == (100, 100) and (truth.labels(0)[0] == 1).argmax() == 25
    assert truth.eye_open[3] == pytest.approx(film["eye_open"][6], abs=1.01 / (2 * COUNT))
    every = slice(None, None, 2)
    seen = (pixels(HEAD_BOX, rotation[every], shift[every], 384, 216) - (150, 8)) / 2
    assert np.abs(truth.corners - seen).max() < 1e-9
    ray = np.array([250 - 192, 108 - 108, -FOCAL])
    turn = truth.rotation[0] @ rotation[0].T
    assert np.allclose(turn @ (ray / np.linalg.norm(ray)), [0, 0, -1], atol=1e-9)


def test_parsing_that_is_true_overlaps_wholly_and_a_hand_does_not_count(tmp_path, truth):
    folder = DatasetFolder(tmp_path / "set")
    folder.parsing.mkdir(parents=True)
    (folder.root / "bc.jpg").unlink(missing_ok=True)
    write_image(folder.root / "bc.jpg", np.full((SIZE, SIZE, 3), 130, np.uint8))
    for i in range(COUNT):
        write_image(folder.parsing_map(i), to_colours(truth.masks[i]))
    found = parsing_accuracy(folder, truth)
    assert found.head_iou == found.body_iou == 1 and found.background_levels == pytest.approx(10, abs=0.5)
    hidden = truth.masks.copy()
    hidden[:, 60:, 40:65] = COVER
    assert parsing_accuracy(folder, replace(truth, masks=hidden)).head_iou == 1
    larger = truth.masks.copy()
    larger[:, 20:30, 40:90] = 1  # hair that the parser misses
    assert parsing_accuracy(folder, replace(truth, masks=larger)).head_iou == pytest.approx(50 / 60, abs=0.01)
