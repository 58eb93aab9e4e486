"""The compiled rasterizer against its plain-torch twin."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gaussian_renderer.render import render
from scene.cameras import Camera
from scene.gaussians import Gaussians

pytestmark = pytest.mark.usefixtures("two_threads")

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
    leaves = {name: getattr(gaussians, name).detach().to(dtype, copy=True).requires_grad_() for name in FIELDS}
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


def changed(gaussians: Gaussians, **fields: torch.Tensor) -> Gaussians:
    """The same Gaussians with the first entries of some fields replaced."""
    new = {name: getattr(gaussians, name).clone() for name in FIELDS}
    for name, value in fields.items():
        new[name][: len(value)] = value
    return Gaussians(**new)


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


AWKWARD = {
    "behind the camera or at its plane": {"means": rows([0, 0, -9], [0.1, 0.2, -6], [0, 0, -5.995], [0.3, 0, -5.9])},
    "far off-screen but overlapping": {
        "means": rows([-4.5, 0, 0], [0, 3.2, 0], [9, 9, 0]),
        "scales": rows([1.5, 0.3, 0.3], [0.2, 1.2, 0.2], [0.1, 0.1, 0.1]),
    },
    "huge": {"means": rows([0, 0, 2]), "scales": rows([300, 200, 400])},
    "needles": {"scales": rows([4, 1e-4, 1e-4], [1e-5, 2, 1e-5], [1e-6, 1e-6, 1e-6])},
    "identical depths": {"means": rows(*[[0.1 * i, 0.05 * i, 0] for i in range(20)])},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("fault", AWKWARD)
def test_agrees_with_the_reference_on_awkward_gaussians(fault, dtype):
    assert_agrees(changed(cloud(60), **AWKWARD[fault]), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_agrees_with_the_reference(dtype):
    assert_agrees(cloud(), dtype=dtype)


@pytest.mark.parametrize("terms", [1, 16])
def test_agrees_with_the_reference_when_every_view_has_its_own_head(terms):
    assert_agrees(cloud(80, VIEWS, terms=terms))


def test_agrees_with_the_reference_where_opaque_layers_end_the_walk_early():
    stack = cloud(300)
    stack = changed(stack, opacities=torch.ones(300, dtype=torch.float64))
    assert (render(stack, views()).alpha > 0.999).double().mean() > 0.3
    assert_agrees(stack)
    assert_agrees(stack, dtype=torch.float32)


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (33, 7)])
def test_agrees_with_the_reference_at_any_size(size):
    assert_agrees(cloud(40), views().crop(20, 15, *size))


def test_transparent_gaussians_leave_no_mark():
    gaussians = changed(cloud(5), opacities=torch.full((5,), 1 / 256, dtype=torch.float64))
    output = render(gaussians, views(), torch.full((3,), 0.25))
    assert (output.image == 0.25).all()
    assert (output.radii == 0).all()


def test_no_gaussians_give_the_background():
    assert_agrees(cloud(0))
    background = torch.rand(VIEWS, HEIGHT, WIDTH, 3, dtype=torch.float64)
    assert torch.equal(render(cloud(0), views(), background).image, background)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_gaussian_is_left_out(field, value):
    whole = cloud(30)
    broken = Gaussians(**{name: getattr(whole, name).clone() for name in FIELDS})
    getattr(broken, field)[7].view(-1)[-1] = value
    rest = Gaussians(**{name: getattr(whole, name)[torch.arange(30) != 7] for name in FIELDS})
    leaves = Gaussians(**{name: getattr(broken, name).requires_grad_() for name in FIELDS})
    output = render(leaves, views())
    torch.testing.assert_close(output.image, render(rest, views()).image)
    output.image.square().sum().backward()
    for name in FIELDS:
        gradient = getattr(leaves, name).grad
        assert gradient[torch.arange(30) != 7].isfinite().all()
        assert (gradient[7] == 0).all()


def test_a_single_gaussian_peaks_with_its_opacity_and_colour():
    one = Gaussians(
        means=torch.zeros(1, 3),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        scales=torch.full((1, 3), 0.2),
        opacities=torch.tensor([0.8]),
        colors=torch.tensor([[[1.0, 0.0, -9.0]]]),
    )
    viewmats = torch.eye(4)[None].clone()
    viewmats[0, 2, 3] = 5
    output = render(one, Camera.from_focal(viewmats, 50.0, 21, 21))
    variance = (50 / 5 * 0.2) ** 2 + 0.3
    expected = 0.8 * (0.5 + 0.28209479177387814) * torch.exp(torch.tensor([0.0, -4.5 / variance]))
    torch.testing.assert_close(output.image[0, 10, [10, 13], 0], expected)
    assert output.image[0, 10, 10].tolist() == pytest.approx([float(expected[0]), 0.4, 0.0], abs=1e-6)
    assert output.means2d[0, 0].tolist() == [10.5, 10.5]


def test_the_nearer_gaussian_hides_the_other():
    two = changed(cloud(2), means=rows([0, 0, 1], [0, 0, -1]), opacities=torch.tensor([0.99, 0.99]).double())
    two = changed(two, scales=rows([1, 1, 1], [1, 1, 1]))
    colors = two.colors.clone()
    colors[0], colors[1] = -10, 1
    seen = render(Gaussians(two.means, two.quats, two.scales, two.opacities, colors), views()).image
    assert seen[0, HEIGHT // 2, WIDTH // 2, 0] > 0.7


def test_a_crop_is_a_part_of_the_picture():
    """From far away, where the perspective is linear and where it is taken does not matter."""
    viewmats = torch.eye(4, dtype=torch.float64)[None].clone()
    viewmats[0, 2, 3] = 6000
    camera = Camera.from_focal(viewmats, 60000.0, WIDTH, HEIGHT)
    whole, part = render(cloud(100), camera), render(cloud(100), camera.crop(21, 9, 30, 25))
    torch.testing.assert_close(part.image, whole.image[:, 9:34, 21:51], atol=1e-4, rtol=1e-3)


def test_the_number_of_threads_changes_nothing():
    threads = torch.get_num_threads()
    try:
        found = []
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(picture_and_gradients(cloud(), views(), "cpu", torch.float32))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_several_python_threads_may_render_at_once():
    gaussians, camera = cloud().to(dtype=torch.float32), views(torch.float32)
    expected = render(gaussians, camera).image
    with ThreadPoolExecutor(3) as pool:
        pictures = list(pool.map(lambda _: render(gaussians, camera).image, range(30)))
    assert all(torch.equal(picture, expected) for picture in pictures)


def test_a_dropped_picture_frees_its_memory_at_once():
    gaussians = cloud(10)
    gc.disable()
    try:
        gaussians.means.requires_grad_()
        output = render(gaussians, views())
        image, centres = weakref.ref(output.image), weakref.ref(output.means2d)
        del output
        assert image() is None
        assert centres() is None
    finally:
        gc.enable()
