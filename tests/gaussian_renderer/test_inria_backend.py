"""The backend for diff-gaussian-rasterization, against a package of the same interface made here."""

from __future__ import annotations

import sys
from collections import namedtuple
from types import ModuleType

import pytest
import torch

from arguments.errors import EGSTalkerError
from gaussian_renderer import inria_backend, reference
from gaussian_renderer.render import render
from scene.cameras import Camera
from scene.gaussians import Gaussians
from tests.gaussian_renderer.test_cpu import cloud

PLAIN = "image_height image_width tanfovx tanfovy bg scale_modifier viewmatrix projmatrix sh_degree campos"
PLAIN += " prefiltered debug"
PULL = 0.7  # made-up gradient of the picture by the centres, in normalised device coordinates


class StandIn:
    """Draws as the package would: whatever camera its two matrices and two tangents describe."""

    outputs = 2

    def __init__(self, raster_settings):
        self.settings = raster_settings

    def __call__(self, means3D, means2D, opacities, colors_precomp, scales, rotations):
        s = self.settings
        width, height = s.image_width, s.image_height
        assert s.bg.shape == (3, height, width) and not s.bg.any()
        view = s.viewmatrix.T
        projection = s.projmatrix.T @ torch.linalg.inv(view)
        intrinsics = torch.eye(3)
        intrinsics[0, 0], intrinsics[1, 1] = width / (2 * s.tanfovx), height / (2 * s.tanfovy)
        intrinsics[0, 2], intrinsics[1, 2] = (projection[0, 2] + 1) * width / 2, (projection[1, 2] + 1) * height / 2
        assert torch.allclose(projection[0, 0] * width / 2, intrinsics[0, 0], rtol=1e-4)
        camera = Camera(view[None], intrinsics[None], width, height)
        one = Gaussians(
            means3D[None], rotations[None], scales[None], opacities[None, :, 0], colors_precomp[None, :, None]
        )
        drawn = reference.rasterize(one, colors_precomp[None], camera, torch.zeros(1, height, width, 3))
        picture = drawn.image[0].permute(2, 0, 1) + PULL * (means2D - means2D.detach()).sum()
        return (picture, drawn.radii[0].round().int(), drawn.alpha[0])[: self.outputs]


@pytest.fixture(params=[(2, ""), (3, " antialiasing")])
def package(request, monkeypatch) -> ModuleType:
    outputs, more = request.param
    made = ModuleType("diff_gaussian_rasterization")
    made.GaussianRasterizationSettings = namedtuple("GaussianRasterizationSettings", PLAIN + more)  # type: ignore
    made.GaussianRasterizer = type("GaussianRasterizer", (StandIn,), {"outputs": outputs})  # type: ignore
    monkeypatch.setitem(sys.modules, "diff_gaussian_rasterization", made)
    inria_backend._package.cache_clear()
    yield made
    inria_backend._package.cache_clear()


def scene() -> tuple[Gaussians, Camera, torch.Tensor]:
    batch = cloud(60, 2).to(dtype=torch.float32)
    view = torch.eye(4).repeat(2, 1, 1)
    view[:, 2, 3] = 6
    view[1, 0, 3] = 0.3
    camera = Camera.from_focal(view, 60.0, 50, 40, cx=22.0, cy=23.5)
    return batch, camera, torch.rand(2, 40, 50, 3, generator=torch.Generator().manual_seed(0))


def test_the_picture_is_the_cpus(package):
    batch, camera, background = scene()
    ours = render(batch, camera, background, backend="diff_gaussian_rasterization")
    theirs = render(batch, camera, background)
    for name in ("image", "alpha"):
        assert torch.allclose(getattr(ours, name), getattr(theirs, name), atol=1e-4), name
    seen = theirs.radii > 0
    assert torch.allclose(ours.means2d[seen], theirs.means2d[seen], atol=1e-3)


def test_screen_space_gradients_are_by_pixels(package):
    batch, camera, background = scene()
    leaves = batch.map(lambda tensor, _: tensor.clone().requires_grad_())
    output = render(leaves, camera, background, backend="diff_gaussian_rasterization")
    output.means2d.retain_grad()
    output.image.sum().backward()
    pixels = 40 * 50 * 3
    expected = torch.tensor([PULL * pixels * 2 / 50, PULL * pixels * 2 / 40]).expand(2, 60, 2)
    assert torch.allclose(output.means2d.grad, expected, rtol=1e-4)
    assert leaves.means.grad.abs().max() > 0


def test_without_the_package_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "diff_gaussian_rasterization", None)
    inria_backend._package.cache_clear()
    with pytest.raises(EGSTalkerError, match="diff_gaussian_rasterization is not installed"):
        render(*scene(), backend="diff_gaussian_rasterization")
