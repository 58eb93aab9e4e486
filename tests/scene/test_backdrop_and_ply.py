"""What is behind the head, and the head as a file."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from media.images import read_rgb, write_image
from scene.backdrop import Backdrops
from scene.gaussians import Gaussians
from scene.ply import write_ply
from tests.tiny_head import SIZE, make_dataset


def test_the_torso_lies_over_the_clean_background(tmp_path):
    folder = make_dataset(tmp_path / "set")
    picture = Backdrops(folder)[0]
    wall = read_rgb(folder.background)
    assert np.array_equal(picture[:40], wall[:40])
    assert (picture[50:] == (150, 30, 30)).all()


def test_half_covered_pixels_are_mixed(tmp_path):
    folder = make_dataset(tmp_path / "set")
    write_image(folder.background, np.full((SIZE, SIZE, 3), 100, np.uint8))
    write_image(folder.torso_image(3), np.full((SIZE, SIZE, 4), (200, 0, 50, 51), np.uint8))
    wall = int(read_rgb(folder.background)[0, 0, 0])
    expected = np.round(np.array([200, 0, 50]) * 0.2 + wall * 0.8)
    assert np.abs(Backdrops(folder)[3][0, 0] - expected).max() <= 1


def test_a_torso_of_another_size_is_refused(tmp_path):
    folder = make_dataset(tmp_path / "set")
    write_image(folder.torso_image(3), np.zeros((SIZE // 2, SIZE, 4), np.uint8))
    with pytest.raises(EGSTalkerError, match="differ in size"):
        Backdrops(folder)[3]


def test_few_pictures_are_kept(tmp_path):
    backdrops = Backdrops(make_dataset(tmp_path / "set"), capacity=2)
    for i in (0, 1, 2, 1):
        backdrops[i]
    assert list(backdrops._kept) == [2, 1]


def test_a_ply_file_holds_what_viewers_of_gaussians_read(tmp_path):
    torch.manual_seed(0)
    count = 5
    gaussians = Gaussians(
        means=torch.randn(count, 3),
        quats=torch.nn.functional.normalize(torch.randn(count, 4), dim=-1),
        scales=torch.rand(count, 3) + 0.1,
        opacities=torch.rand(count) * 0.8 + 0.1,
        colors=torch.randn(count, 4, 3),
    )
    write_ply(tmp_path / "head.ply", gaussians)
    header, body = (tmp_path / "head.ply").read_bytes().split(b"end_header\n", 1)
    lines = header.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    names = [line.split()[-1] for line in lines if line.startswith("property float")]
    values = dict(zip(names, np.frombuffer(body, "<f4").reshape(count, len(names)).T, strict=True))
    assert np.allclose(values["y"], gaussians.means[:, 1])
    assert np.allclose(1 / (1 + np.exp(-values["opacity"])), gaussians.opacities, atol=1e-5)
    assert np.allclose(np.exp(values["scale_2"]), gaussians.scales[:, 2], atol=1e-5)
    assert np.allclose(values["rot_0"], gaussians.quats[:, 0])
    # f_rest is channel-major: the three coefficients of red, then of green, then of blue
    assert np.allclose(values["f_rest_4"], gaussians.colors[:, 2, 1])
