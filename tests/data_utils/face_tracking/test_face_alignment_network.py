"""Landmarks by a TorchScript network with the interface of 2DFAN-4, which the test makes itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from arguments.errors import EGSTalkerError
from data_utils.face_mesh import FaceMeshTrack
from data_utils.face_tracking import bfm, face_alignment_network
from data_utils.face_tracking.face_alignment_network import detect_68, peaks, weights_file
from media.images import write_image

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


class Spots(torch.nn.Module):
    """Sees landmark k where the picture's red is 3 k + 30: crops [B, 3, 256, 256] to heat maps [B, 68, 64, 64]."""

    def forward(self, crops: Tensor) -> Tensor:
        wanted = (torch.arange(68) * 3 + 30).view(1, 68, 1, 1)
        near = torch.exp(-(((crops[:, :1] * 255 - wanted) / 0.8) ** 2)) * (crops[:, 1:2] > 0.98)
        return torch.nn.functional.avg_pool2d(near, 4)


class Other(torch.nn.Module):
    """A network of another kind."""

    def forward(self, crops: Tensor) -> Tensor:
        return crops.mean((2, 3))


@pytest.fixture
def weights(tmp_path):
    torch.jit.script(Spots()).save(str(tmp_path / "2DFAN4-test.zip"))
    return tmp_path / "2DFAN4-test.zip"


def spotted(folder, count=3, size=300):
    """Pictures with a spot of 7 x 7 pixels at each landmark, whose centres [count, 68, 2] are given back."""
    rng = np.random.default_rng(0)
    places = np.stack([rng.permutation(17 * 17)[:68] for _ in range(count)])
    centres = np.stack([60 + places % 17 * 11, 70 + places // 17 * 11], axis=-1)
    paths = []
    for i, spots in enumerate(centres):
        image = np.zeros((size, size, 3), np.uint8)
        for k, (x, y) in enumerate(spots):
            image[y - 3 : y + 4, x - 3 : x + 4] = (3 * k + 30, 255, 0)
        write_image(folder / f"{i}.png", image)
        paths.append(folder / f"{i}.png")
    return paths, centres + 0.5


def test_finds_the_landmarks_in_the_pictures_pixels(weights, tmp_path):
    paths, centres = spotted(tmp_path)
    box = np.array([55.0, 65.0, 250.0, 260.0])
    found = detect_68(paths, np.tile(box, (3, 1)), weights)
    assert np.linalg.norm(found - centres, axis=-1).max() < 1.5


def test_a_peak_is_found_between_the_cells():
    row, column = np.mgrid[:64, :64]
    places = np.array([[20.3, 33.8], [0.4, 63.5]])
    maps = np.stack([np.exp(-((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2) / 0.8) for x, y in places])[None]
    np.testing.assert_allclose(peaks(maps)[0, 0], places[0], atol=0.1)
    assert np.abs(peaks(maps)[0, 1] - places[1]).max() < 1.1


def test_the_tracker_takes_the_network_where_its_weights_are(weights, tmp_path, monkeypatch):
    paths, centres = spotted(tmp_path)
    mesh = FaceMeshTrack(np.zeros((3, 478, 3), np.float32), np.ones(3, bool))
    mesh.points[:, :, 0], mesh.points[:, :, 1] = np.linspace(55, 250, 478), np.linspace(65, 260, 478)
    monkeypatch.setattr(face_alignment_network, "MODELS", tmp_path)
    seen = bfm.detect(paths, mesh)
    assert seen.outline and np.linalg.norm(seen.pixels - centres, axis=-1).max() < 1.5
    weights.unlink()
    assert weights_file() is None
    assert not bfm.detect(paths, mesh).outline


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not an archive", b"\x80\x04."])
def test_damaged_weights_are_one_line(tmp_path, content):
    paths, _ = spotted(tmp_path, 1)
    (tmp_path / "2DFAN4.zip").write_bytes(content)
    with pytest.raises(EGSTalkerError, match=r"2DFAN4\.zip.*download_models\.sh"):
        detect_68(paths, np.array([[0.0, 0, 9, 9]]), tmp_path / "2DFAN4.zip")


def test_weights_of_another_network_are_one_line(tmp_path):
    paths, _ = spotted(tmp_path, 1)
    torch.jit.script(Other()).save(str(tmp_path / "2DFAN4.zip"))
    with pytest.raises(EGSTalkerError, match="68 heat maps"):
        detect_68(paths, np.array([[0.0, 0, 99, 99]]), tmp_path / "2DFAN4.zip")
