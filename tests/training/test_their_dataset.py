"""A dataset folder as AD-NeRF's preprocessing leaves it for ER-NeRF and GaussianTalker is trained on as it is."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.settings import TrainingSettings
from tests.tiny_head import MOTION, make_dataset
from training.dataset import TalkingHeadDataset
from training.initialization import initial_cloud
from training.options import TrainOptions
from training.trainer import Trainer

N = 22
BFM_VERTICES = 34_650


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> DatasetFolder:
    """The tiny dataset rewritten with their units, columns and files; it has no dataset.json."""
    folder = make_dataset(tmp_path_factory.mktemp("theirs") / "obama", N)
    folder.record.unlink()
    generator = np.random.default_rng(0)
    deepspeech = generator.normal(0, 3, (N, 16, 29))
    for path in (folder.audio_features, folder.audio_features_ds):
        np.save(path, deepspeech)
    columns = ", ".join(["frame", "face_id", "timestamp", "confidence", "success", "AU01_r", "AU45_r", "AU45_c"])
    rows = [f"{i + 1}, 0, {i / 25:.3f}, 0.98, 1, 0.10, {4.0 * (i == 3):.2f}, {1.0 * (i == 3):.2f}" for i in range(N)]
    folder.action_units.write_text(columns + "\n" + "\n".join(rows) + "\n")
    for path in (folder.transforms_train, folder.transforms_val):  # metres
        content = json.loads(path.read_text())
        for entry in content["frames"]:
            for row in entry["transform_matrix"][:3]:
                row[3] /= 10
        path.write_text(json.dumps(content))
    front = generator.normal(size=(BFM_VERTICES, 3))
    front = 0.9 * front / np.linalg.norm(front, axis=1, keepdims=True)
    front[:, 2] = np.abs(front[:, 2])
    decimetres = front + 0.01 * generator.normal(size=(N, 1, 1))
    trans = np.array([(0.02 * i, 0, -6) for i in range(N)])
    track = {
        "id": torch.zeros(1, 100),
        "exp": torch.zeros(N, 79),
        "euler": torch.zeros(N, 3),
        "trans": torch.from_numpy(trans).float(),
        "focal": torch.tensor([120.0]),
        "vertices": torch.from_numpy(decimetres).float(),
    }
    torch.save(track, folder.track_params)
    shutil.rmtree(folder.root / "face_mesh.npz", ignore_errors=True)
    return folder


def test_units_of_poses_and_vertices_are_brought_together(theirs):
    dataset = TalkingHeadDataset(theirs.root)
    assert dataset.camera.positions[:, 2].tolist() == pytest.approx([6.0] * N)
    pixels = dataset.camera.project(dataset.vertices)
    assert (pixels[5].mean(0) - torch.tensor([32 + 0.02 * 5 * 20, 32.0])).abs().max() < 1.5


def test_poses_already_in_the_tracks_unit_stay_as_they_are(theirs, tmp_path):
    folder = DatasetFolder(shutil.copytree(theirs.root, tmp_path / "set"))
    for path in (folder.transforms_train, folder.transforms_val):
        content = json.loads(path.read_text())
        for entry in content["frames"]:
            for row in entry["transform_matrix"][:3]:
                row[3] *= 10
        path.write_text(json.dumps(content))
    expected = TalkingHeadDataset(theirs.root).camera.viewmats
    assert torch.allclose(TalkingHeadDataset(folder.root).camera.viewmats, expected, atol=1e-5)


def test_features_and_blinks_are_read(theirs):
    dataset = TalkingHeadDataset(theirs.root)
    assert dataset.feature_shape == (16, 29)
    assert dataset.eyes[:5].tolist() == pytest.approx([0, 0, 0, 0.8, 0])


def test_it_starts_dense_and_takes_training_steps(theirs, tmp_path):
    dataset = TalkingHeadDataset(theirs.root)
    cloud = initial_cloud(dataset, 10_000)
    assert len(cloud.points) >= 10_000 and np.isfinite(cloud.points).all()
    training = TrainingSettings(coarse_iterations=2, iterations=4, batch=2, motion_frames=4)
    model = replace(MOTION, initial_gaussians=10_000)
    trainer = Trainer(TrainOptions(theirs.root, tmp_path / "m", model, training, "cpu"), dataset)
    assert trainer.head.num_gaussians >= 10_000
    before = {name: value.clone() for name, value in trainer.head.state_dict().items()}
    for iteration in range(2):
        trainer.iterate("coarse", iteration, 2)
    for iteration in range(2):
        trainer.iterate("fine", iteration, 4)
    after = trainer.head.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values() if value.is_floating_point())
    assert any(not torch.equal(before[name], after[name]) for name in before)
