import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.transforms import camera_to_world, write_transforms

N = 22


@pytest.fixture
def tracked(tmp_path):
    """A folder whose track can be changed before it is saved."""

    def save(**changes):
        rng = np.random.default_rng(0)
        track = {
            "focal": torch.tensor([900.0]),
            "euler": torch.tensor(rng.uniform(-0.4, 0.4, (N, 3))),
            "trans": torch.tensor(rng.uniform(-1, 1, (N, 3)) - np.array([0, 0, 9])),
            **changes,
        }
        torch.save(track, tmp_path / "track_params.pt")
        return DatasetFolder(tmp_path), track

    return save


def test_the_camera_undoes_the_heads_pose(tracked):
    _, track = tracked()
    euler, trans = track["euler"].numpy(), track["trans"].numpy()
    head = np.array([0.3, -0.2, 0.5])
    camera = Rotation.from_euler("XYZ", euler * (1, 1, -1)).apply(head) + trans
    back = np.einsum("nij,nj->ni", camera_to_world(euler, trans), np.pad(camera, ((0, 0), (0, 1)), constant_values=1))
    np.testing.assert_allclose(back[:, :3], np.broadcast_to(head, (N, 3)), atol=1e-12)


def test_the_first_ten_elevenths_train(tracked):
    folder, track = tracked()
    write_transforms(folder, N, (384, 384))
    train, val = (json.loads(path.read_text()) for path in (folder.transforms_train, folder.transforms_val))
    assert [frame["img_id"] for frame in train["frames"]] == list(range(20))
    assert [frame["aud_id"] for frame in val["frames"]] == [20, 21]
    assert (train["focal_len"], train["cx"], train["cy"]) == (900, 192, 192)
    expected = camera_to_world(track["euler"].numpy(), track["trans"].numpy() / 10)[21]
    np.testing.assert_allclose(val["frames"][1]["transform_matrix"], expected)


@pytest.mark.parametrize(
    "damage",
    [
        {"euler": torch.full((N, 3), float("nan"))},
        {"trans": torch.zeros(N - 1, 3)},
        {"focal": torch.tensor([float("inf")])},
        {"focal": torch.zeros(0)},
    ],
)
def test_a_damaged_track_is_refused_and_nothing_is_written(tracked, damage):
    folder, _ = tracked(**damage)
    with pytest.raises(EGSTalkerError, match=r"track_params\.pt"):
        write_transforms(folder, N, (384, 384))
    assert not folder.transforms_train.exists()


def test_a_file_that_is_no_track_is_refused(tracked):
    folder, _ = tracked()
    folder.track_params.write_bytes(b"not a track")
    with pytest.raises(EGSTalkerError, match=r"not a (whole )?track"):
        write_transforms(folder, N, (384, 384))
