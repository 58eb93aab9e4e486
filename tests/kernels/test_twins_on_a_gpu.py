"""What runs on a GPU against the plain functions, and the rasterizers against the CPU's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arguments.device import GPU
from arguments.settings import ModelSettings
from benchmarks.head_cloud import head_camera, head_cloud
from gaussian_renderer.render import render
from kernels.cuda.graph import CannotRecordError, Recording
from kernels.table import TWINS, can_compile_for_gpu, twin
from scene.drive import Drive
from scene.gaussians import Gaussians
from scene.head import GaussianHead
from scene.torso import Torso
from tests.kernels.twin_cases import CASES, PLAIN, Where, plain_of, relative

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]
FIELDS = ("means", "quats", "scales", "opacities", "colors")


def rendered(cloud: Gaussians, device: str, backend: str | None) -> dict[str, torch.Tensor]:
    """Picture, coverage and all gradients under fixed random weights."""
    generator = torch.Generator().manual_seed(1)
    camera = head_camera(128, len(cloud.means))
    background, weight = (torch.rand(len(camera), 128, 128, 3, generator=generator).to(device) for _ in "ab")
    leaves = {name: getattr(cloud, name).to(device).requires_grad_() for name in FIELDS}
    output = render(Gaussians(**leaves), camera.to(device), background, backend=backend)
    output.means2d.retain_grad()
    ((output.image * weight).sum() + output.alpha.square().sum()).backward()
    gradients = {f"v_{name}": leaf.grad for name, leaf in leaves.items()}
    return {"image": output.image, "alpha": output.alpha, "v_means2d": output.means2d.grad, **gradients}


@pytest.mark.parametrize("backend", ["gsplat", "diff_gaussian_rasterization"])
@pytest.mark.parametrize("degree", [0, 1])
def test_the_rasterizers_of_gpu_and_cpu_agree(backend, degree):
    pytest.importorskip(backend)
    torch.manual_seed(0)
    cloud = head_cloud(4000, degree=degree)
    spread = 0.01 * torch.randn(3, *cloud.means.shape)
    batch = cloud.map(lambda tensor, _: tensor.expand(3, *tensor.shape).clone())
    batch = replace(batch, means=batch.means + spread)
    ours, theirs = rendered(batch, "cuda", backend), rendered(batch, "cpu", None)
    assert (ours["image"].detach().cpu() - theirs["image"].detach()).abs().mean() < 1 / 255
    assert (ours["alpha"].detach().cpu() - theirs["alpha"].detach()).abs().mean() < 1 / 255
    for name in theirs:
        assert relative(ours[name], theirs[name]) < 1e-2, name


@pytest.mark.parametrize("name", [name for name, twins in TWINS.items() if twins.gpu])
def test_the_twin_is_the_plain_function(name):
    if not can_compile_for_gpu():
        pytest.skip("kernels cannot be compiled here")
    case, tolerance = CASES[name]
    ours, theirs = case(twin(name, GPU), Where(GPU, torch.float32)), case(plain_of(name), PLAIN)
    for number, (mine, plain) in enumerate(zip(ours, theirs, strict=True)):
        assert mine.shape == plain.shape
        assert relative(mine, plain) <= tolerance, number


@pytest.mark.parametrize("torso", [None, Torso(40)], ids=["head", "head and torso"])
@torch.no_grad()
def test_a_head_moves_on_the_gpu_as_on_the_cpu(torso):
    torch.manual_seed(0)
    head = GaussianHead(500, (20,), ModelSettings(plane_levels=3, plane_log2_entries=8, motion_window=4)).eval()
    for parameter in head.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    drive = Drive(
        *(torch.randn(2, 4, 20), torch.arange(4).repeat(2, 1), torch.rand(2, 1)),
        *(head_camera(64, 2), 0.1 * torch.randn(2, 12)),
    )
    if torso is not None:
        torch.nn.init.normal_(torso.means)
    expected = head.deform(drive, head.at_rest(torso))
    assert expected.count == 500 + (40 if torso else 0)
    drive = drive.to("cuda")
    at_rest = head.to("cuda").at_rest(None if torso is None else torso.to("cuda"))
    for _ in range(3):  # as it is, recorded, and replayed
        other = replace(drive, eye=1 - drive.eye, body=-drive.body)
        head.deform(other, at_rest)
        ours = head.deform(drive, at_rest)
        head.deform(other, at_rest)
        for name in FIELDS:
            assert relative(getattr(ours, name), getattr(expected, name)) < 1e-2, name


def test_after_a_recording_that_failed_all_works_without():
    def waits(x):
        return x + torch.randn_like(x) + x.sum().item()

    x = torch.ones(4, device="cuda")
    waits(x)
    with pytest.raises(CannotRecordError):
        Recording(waits)(x)
    assert torch.isfinite(waits(x)).all()
    good = Recording(lambda y: 2 * y + 0 * torch.randn_like(y))
    assert torch.equal(good(x), 2 * x) and torch.equal(good(3 * x), 6 * x)
