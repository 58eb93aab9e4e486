"""The head as a file for viewers."""

from __future__ import annotations

import numpy as np
import torch

from scene.gaussians import Gaussians
from scene.ply import write_ply


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
