"""The compiled rasterizer against its plain-torch twin."""

from __future__ import annotations

import pytest
import torch

from gaussian_renderer.render import render
from scene.cameras import Camera
from scene.gaussians import Gaussians

WIDTH, HEIGHT, VIEWS = 70, 45, 2
FIELDS = ("means", "quats", "scales", "opacities", "colors")


def views(dtype: torch.dtype = torch.float64) -> Camera:
    viewmats = torch.eye(4, dtype=dtype).repeat(VIEWS, 1, 1)
    viewmats[:, 2, 3] = 6
    viewmats[1, 0, 3] = 0.3
    return Camera.from_focal(viewmats, 60.0, WIDTH, HEIGHT)


def cloud(count: int = 150, *batch: int, terms: int = 1, seed: int = 0) -> Gaussians:
    """A random cloud in front of :func:`views`, float64, outside of any graph."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*batch, *shape, generator=generator, dtype=torch.float64)

    return Gaussians(
        means=normal(count, 3),
        quats=torch.nn.functional.normalize(normal(count, 4), dim=-1),
        scales=(normal(count, 3) * 0.7 - 1.8).exp(),
        opacities=torch.sigmoid(normal(count) * 2),
        colors=normal(count, terms, 3) * 0.5,
    )


def picture_and_gradients(
    gaussians: Gaussians, camera: Camera, backend: str, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """What a render gives and, under a fixed random weighting of picture and coverage, the gradient of every input."""
    leaves = {name: getattr(gaussians, name).to(dtype).requires_grad_() for name in FIELDS}
    generator = torch.Generator().manual_seed(1)
    size = (len(camera), camera.height, camera.width)
    background = torch.rand(*size, 3, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(*size, 3, generator=generator, dtype=torch.float64).to(dtype)
    alpha_weight = torch.randn(*size, 1, generator=generator, dtype=torch.float64).to(dtype)
    output = render(Gaussians(**leaves), camera.to(dtype=dtype), background, backend=backend)
    output.means2d.retain_grad()
    ((output.image * weight).sum() + (output.alpha * alpha_weight).sum()).backward()
    found = {"image": output.image, "alpha": output.alpha, "radii": output.radii, "v_means2d": output.means2d.grad}
    found |= {f"v_{name}": leaf.grad for name, leaf in leaves.items()} | {"v_background": background.grad}
    return {name: value.detach().double() for name, value in found.items()}


def assert_agrees(gaussians: Gaussians, camera: Camera | None = None, dtype: torch.dtype = torch.float64) -> None:
    """Picture within 1/255 (float64: to rounding), every gradient within 1e-3 (1e-9) of its largest entry."""
    camera = camera or views()
    found = picture_and_gradients(gaussians, camera, "cpu", dtype)
    wanted = picture_and_gradients(gaussians, camera, "reference", torch.float64)
    exact = dtype == torch.float64
    for name, value in wanted.items():
        absolute = (1e-9 if exact else 1e-3) * value.abs().max() if name.startswith("v_") and value.numel() else 1e-10
        if name in ("image", "alpha"):
            absolute = 1e-10 if exact else 1 / 255
        relative = 1e-9 if exact else 1e-3
        torch.testing.assert_close(
            found[name], value, atol=float(absolute), rtol=relative, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_agrees_with_the_reference(dtype):
    assert_agrees(cloud(VIEWS * 75), dtype=dtype)
