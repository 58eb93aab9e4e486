"""The choice of rasterizer, and what one render returns."""

from __future__ import annotations

import pytest
import torch

from arguments.errors import EGSTalkerError
from gaussian_renderer.render import render
from scene.cameras import Camera
from scene.gaussians import Gaussians


def one_gaussian(**fields) -> Gaussians:
    values = {
        "means": torch.tensor([[0.1, 0.0, 0.0]]),
        "quats": torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        "scales": torch.full((1, 3), 0.2),
        "opacities": torch.tensor([0.9]),
        "colors": torch.zeros(1, 1, 3),
    }
    return Gaussians(**values | fields)


def two_views() -> Camera:
    viewmats = torch.eye(4).repeat(2, 1, 1)
    viewmats[:, 2, 3] = torch.tensor([4.0, 8.0])
    return Camera.from_focal(viewmats, 40.0, 32, 24)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_one_head_is_seen_by_every_camera(backend):
    output = render(one_gaussian(), two_views(), backend=backend)
    assert output.image.shape == (2, 24, 32, 3)
    assert output.alpha.shape == (2, 24, 32, 1)
    assert output.means2d[:, 0].tolist() == [pytest.approx([17.0, 12.0]), pytest.approx([16.5, 12.0])]
    assert output.radii[0, 0] > output.radii[1, 0] > 0


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_colour_or_a_picture_can_be_the_background(backend):
    black = render(one_gaussian(), two_views(), backend=backend)
    blue = render(one_gaussian(), two_views(), torch.tensor([0.0, 0.0, 1.0]), backend=backend)
    torch.testing.assert_close(blue.image[..., 2:], black.image[..., 2:] + 1 - black.alpha)
    torch.testing.assert_close(blue.image[..., :2], black.image[..., :2])


def test_screen_space_gradient_points_to_where_the_error_falls():
    gaussians = one_gaussian(means=torch.tensor([[0.1, 0.0, 0.0]], requires_grad=True))
    output = render(gaussians, two_views())
    output.means2d.retain_grad()
    columns = torch.arange(32) + 0.5
    (output.alpha[0, ..., 0] * columns).sum().backward()
    assert output.means2d.grad[0, 0, 0] > 0
    assert (output.means2d.grad[1] == 0).all()
    slope = output.means2d.grad[0, 0, 0] * 40 / 4
    assert gaussians.means.grad[0, 0].item() == pytest.approx(slope.item(), rel=0.02)


def test_unknown_rasterizers_and_devices_are_one_line():
    with pytest.raises(EGSTalkerError, match="no rasterizer 'vulkan'; use one of: cpu"):
        render(one_gaussian(), two_views(), backend="vulkan")
    on_meta = one_gaussian().to("meta")
    with pytest.raises(EGSTalkerError, match="no installed rasterizer for meta tensors"):
        render(on_meta, two_views())
