"""The tracker ``bfm`` as a whole, on the built-in sample: from a model's files to a head that can be trained."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_tracking import bfm, morphable_model
from data_utils.face_tracking.convert_BFM import convert
from data_utils.face_tracking.landmark_basis import Detections
from data_utils.face_tracking.rotations import euler_to_matrix
from data_utils.preprocess import preprocess
from sample.recording import prepare
from tests.data_utils.face_tracking.made_up_bfm import write_front_files, write_morphable_model
from tests.data_utils.face_tracking.samples_face import samples_face, true_pixels
from tests.talking_head import SECONDS, SIZE
from training.dataset import TalkingHeadDataset
from training.initialization import initial_cloud


@pytest.fixture(scope="module")
def figure(dataset):
    """The made-up model of the sample's figure, the sample, and the figure's identity in the model."""
    sample = prepare(SECONDS, SIZE)
    face, identity = samples_face(dataset, sample)
    return face, sample, identity


@pytest.fixture(scope="module")
def converted(figure, tmp_path_factory):
    """The model's file, and the model."""
    folder = tmp_path_factory.mktemp("3DMM")
    face = figure[0]
    write_morphable_model(face, folder)
    write_front_files(face, folder)
    model, source = convert(folder)
    morphable_model.save(model, folder / "3DMM_info.safetensors", source)
    return folder / "3DMM_info.safetensors", model


@pytest.fixture(scope="module")
def tracked(dataset, converted, tmp_path_factory) -> DatasetFolder:
    """The sample's dataset with its tracking and transforms made by the tracker."""
    root = tmp_path_factory.mktemp("bfm") / "head"
    shutil.copytree(dataset.root, root)
    folder = DatasetFolder(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(morphable_model, "FILE", converted[0])
        patch.setattr("data_utils.preprocess.BFM_MODEL", converted[0])
        for number in (8, 9):
            assert not any(outcome.skipped for outcome in preprocess(folder, None, only=number, tracker="bfm"))
    return folder


@pytest.fixture(scope="module")
def params(tracked) -> dict[str, torch.Tensor]:
    return torch.load(tracked.track_params, weights_only=True)


@pytest.fixture(scope="module")
def truth(talking_head):
    return np.load(talking_head.with_name(f"{talking_head.stem}_truth.npz"))


def rotations(params) -> np.ndarray:
    return euler_to_matrix(params["euler"].double().numpy())


def test_the_file_has_what_every_reader_expects(params, converted, tracked):
    count, vertices = round(SECONDS * 25), len(converted[1].mean)
    shapes = {
        "focal": (1,),
        "euler": (count, 3),
        "trans": (count, 3),
        "vertices": (count, vertices, 3),
        "faces": (len(converted[1].faces), 3),
        "shape": (vertices, 3),
        "reprojection": (count,),
        "trust": (count,),
        "id": (1, len(converted[1].identity)),
        "exp": (count, len(converted[1].expression)),
    }
    assert {name: tuple(tensor.shape) for name, tensor in params.items()} == shapes
    assert params["faces"].dtype == torch.int64 and (params["trust"] > 0).all()
    assert tracked.read_record()["tracker"] == "bfm"


def test_poses_are_no_worse_than_the_other_trackers(params, dataset, truth):
    other = torch.load(dataset.track_params, weights_only=True)
    ours, theirs = (angle_errors(rotations(p), truth["rotation"]) for p in (params, other))
    assert rms(ours) < rms(theirs) + 0.1
    assert rms(np.diff(ours, axis=0)) < 1.2 * rms(np.diff(theirs, axis=0)) + 0.02


def test_the_mesh_lies_where_the_figure_is_in_the_picture(params, figure):
    face, sample, _ = figure
    camera = params["vertices"].double().numpy() @ np.swapaxes(rotations(params), 1, 2)
    x, y, z = np.moveaxis(camera + params["trans"].double().numpy()[:, None], -1, 0)
    pixels = SIZE / 2 + float(params["focal"]) * np.stack([x, -y], axis=-1) / -z[..., None]
    front = face.mean[:, 2] > 0.3
    apart = np.stack([pixels[i] - true_pixels(face, sample, i) for i in range(len(pixels))])[:, front]
    assert np.median(np.linalg.norm(apart, axis=-1)) < 1.5  # of a face of 85 pixels
    assert rms(apart - apart.mean(0)) < 0.8  # what comes and goes with pose and expression


def test_the_mouth_opens_when_the_figures_does(params, converted, truth):
    upper, lower = (params["vertices"][:, int(converted[1].landmarks[k])].float() for k in (62, 66))
    gap = (upper - lower).norm(dim=-1).numpy()
    assert np.corrcoef(gap, truth["mouth_open"])[0, 1] > 0.9


def test_the_person_is_told_from_the_mean(params, converted, figure):
    model, identity = converted[1], figure[2]

    def relief(shape: np.ndarray) -> np.ndarray:
        centred = shape - shape.mean(0)
        return centred / np.sqrt((centred**2).sum(-1).mean())

    true, front = relief(model.person(identity)), model.mean[:, 2] > 0.3
    found, mean = relief(params["shape"].numpy()), relief(model.mean)
    assert rms((found - true)[front]) < 0.6 * rms((mean - true)[front])


def test_both_trackers_datasets_start_from_ten_thousand_gaussians(tracked, dataset):
    for folder in (tracked, dataset):
        data = TalkingHeadDataset(folder.root)
        cloud = initial_cloud(data, 10_000)
        assert len(np.unique(cloud.points, axis=0)) >= 10_000
        projected = data.camera[0].project(torch.from_numpy(cloud.points))[0].numpy()
        column, row = np.floor(projected).astype(int).clip(0, SIZE - 1).T
        assert data.head_mask(0)[row, column].mean() > 0.9


def test_both_trackers_datasets_train(tracked, dataset, tmp_path):
    from tests.training.test_loop import MODEL, TRAINING, log_of
    from training.loop import train
    from training.options import TrainOptions

    training = replace(TRAINING, coarse_iterations=8, iterations=6, checkpoint_every=50, validate_every=50)
    for name, folder in (("bfm", tracked), ("mediapipe", dataset)):
        train(TrainOptions(folder.root, tmp_path / name, replace(MODEL, initial_gaussians=300), training))
        losses = [entry["loss"] for entry in log_of(tmp_path / name) if "loss" in entry]
        assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_without_its_model_the_tracker_says_what_makes_it(tracked, tmp_path, monkeypatch):
    monkeypatch.setattr(morphable_model, "FILE", tmp_path / "3DMM_info.safetensors")
    monkeypatch.setattr("data_utils.preprocess.BFM_MODEL", tmp_path / "3DMM_info.safetensors")
    before = tracked.track_params.read_bytes()
    folder = DatasetFolder(shutil.copytree(tracked.root, tmp_path / "head"))
    folder.track_params.unlink()
    said = r"3DMM_info\.safetensors.*download_bfm\.sh.*01_MorphableModel\.mat.*convert_BFM\.py"
    with pytest.raises(EGSTalkerError, match=said):
        list(preprocess(folder, None, tracker="bfm"))
    for name in ("01_MorphableModel.mat", "facemodel_info.mat", "BFM09_model_info.mat", "select_vertex_id.mat"):
        (tmp_path / name).touch()
    with pytest.raises(EGSTalkerError) as error:
        bfm.check_installed()
    assert "download_bfm" not in str(error.value) and "convert_BFM.py" in str(error.value)
    assert tracked.track_params.read_bytes() == before


def test_unusable_landmarks_are_one_line(converted):
    model = converted[1]
    nothing = Detections(np.full((4, 68, 2), np.nan), np.ones(4, bool), False)
    with pytest.raises(EGSTalkerError, match="landmarks"):
        bfm.track_mesh(model, nothing, (SIZE, SIZE))
    for wrong in (np.full((4, 68, 2), 50.0), np.random.default_rng(0).normal(0, 1e7, (4, 68, 2))):
        with pytest.raises(EGSTalkerError, match="landmarks"):
            bfm.track_mesh(model, Detections(wrong, np.ones(4, bool), False), (SIZE, SIZE))
    nobody = Detections(np.zeros((4, 68, 2)), np.zeros(4, bool), False)
    with pytest.raises(EGSTalkerError, match="landmarks"):
        bfm.track_mesh(model, nobody, (SIZE, SIZE))
