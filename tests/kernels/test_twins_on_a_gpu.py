"""What runs on a GPU against its twin on the CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arguments.settings import ModelSettings
from benchmarks.head_cloud import head_camera, head_cloud
from gaussian_renderer.render import render
from gaussian_renderer.spherical_harmonics import view_colors
from imaging.ssim import ssim
from kernels.columns import SCALES
from kernels.cuda.graph import CannotRecordError, Recording
from scene.attributes import Attributes, Offsets
from scene.drive import Drive
from scene.gaussian_model import GaussianModel
from scene.gaussians import Gaussians
from scene.head import GaussianHead
from scene.kan import KANLayer
from scene.rigid_motion import RigidMotion
from scene.triplane import HashTriplane
from training.deformed_gaussians import deformed_gaussians
from training.losses import multi_scale_gradients

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]
FIELDS = ("means", "quats", "scales", "opacities", "colors")


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Difference by the size of what is expected, both as vectors."""
    ours, theirs = ours.detach().cpu().double(), theirs.detach().cpu().double()
    return float((ours - theirs).norm() / theirs.norm().clamp(min=1e-12))


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


@pytest.mark.parametrize(("rows", "inputs", "outputs", "grid"), [(1000, 48, 64, 5), (333, 64, 14, 8), (64, 128, 11, 4)])
def test_a_layers_kernel_is_the_plain_sum(rows, inputs, outputs, grid):
    torch.manual_seed(0)
    layer = KANLayer(inputs, outputs, grid=grid)
    x, weight = 2 * torch.randn(3, rows, inputs), torch.randn(3, rows, outputs)
    onto, found = torch.randn(rows, outputs), []
    for device, kind in (("cuda", torch.float32), ("cpu", torch.float64)):
        here, leaf = layer.to(device, kind), x.to(device, kind).requires_grad_()
        shared = onto.to(device, kind).requires_grad_()
        out = here.partial(leaf, 0, shared)
        leaves = [leaf, here.base, here.spline, shared]
        found.append([out, *torch.autograd.grad((out * weight.to(out)).sum(), leaves)])
    for ours, theirs in zip(*found, strict=True):
        assert relative(ours, theirs) < 3e-3


def test_ssim_and_its_gradient_are_the_cpus():
    torch.manual_seed(0)
    image, truth = torch.rand(2, 40, 33, 3), torch.rand(2, 40, 33, 3)
    found = []
    for device in ("cuda", "cpu"):
        leaf = image.to(device).requires_grad_()
        value = ssim(leaf, truth.to(device))
        found.append([value, torch.autograd.grad(value.sum(), leaf)[0]])
    for ours, theirs in zip(*found, strict=True):
        assert relative(ours, theirs) < 1e-4


def test_the_gradient_loss_and_its_gradient_are_the_cpus():
    torch.manual_seed(0)
    image, truth, found = torch.rand(2, 41, 34, 3), torch.rand(2, 41, 34, 3), []
    for device in ("cuda", "cpu"):
        leaf = image.to(device).requires_grad_()
        value = multi_scale_gradients(leaf, truth.to(device))
        found.append([value, torch.autograd.grad(2 * value, leaf)[0]])
    for ours, theirs in zip(*found, strict=True):
        assert relative(ours, theirs) < 1e-4


def test_adam_is_torchs():
    pytest.importorskip("triton")
    from kernels.cuda.optimizer import GPUAdam

    torch.manual_seed(0)
    start, gradients = torch.randn(3000, 2), torch.randn(20, 3000, 2)
    ours, theirs = torch.nn.Parameter(start.cuda()), torch.nn.Parameter(start.clone())
    rate = torch.tensor(0.01, device="cuda")
    ours_by = GPUAdam([{"params": [ours], "lr": rate, "decay": 0.0}], betas=(0.9, 0.99), eps=1e-12)
    theirs_by = torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.99), eps=1e-12)
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.cuda(), gradient
        ours_by.step()
        theirs_by.step()
    assert relative(ours, theirs) < 1e-5


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("moved", [None, 300, 170])
def test_deformed_gaussians_and_their_gradient_are_the_cpus(degree, moved):
    torch.manual_seed(0)
    model = GaussianModel(300, 20, ModelSettings(sh_degree=degree))
    torch.nn.init.normal_(model.sh_rest)
    packed, quaternions, translations = torch.randn(300, 14), torch.randn(3, 4), torch.randn(3, 3)
    packed[:, SCALES] *= 6  # some beyond the smallest and the largest
    offsets, scale = (None, None) if moved is None else (torch.randn(3, moved, 14), torch.rand(moved, 14))
    moving = torch.randperm(300)[: moved or 300].sort().values
    positions, found = 6 * torch.randn(3, 3), []
    weights = [torch.randn(3, 300, *shape) for shape in ((3,), (4,), (3,), (), (3,))]
    for device in ("cuda", "cpu"):
        here = model.to(device)
        inputs = (packed, quaternions, translations, offsets, scale)
        leaves = [x.to(device).requires_grad_() for x in inputs if x is not None]
        added = None if moved is None else Offsets(leaves[3], leaves[4])
        motion = RigidMotion.of(leaves[1], leaves[2])
        there = positions.to(device)
        gaussians, cost = deformed_gaussians(here, Attributes(leaves[0]), added, moving.to(device), motion, there)
        fields = [getattr(gaussians, name) for name in FIELDS[:4]] + [view_colors(gaussians, there)]
        loss = 3 * cost + sum((field * weight.to(device)).sum() for field, weight in zip(fields, weights, strict=True))
        leaves += [here.sh_rest] if degree else []
        found.append([*fields, cost, *torch.autograd.grad(loss, leaves)])
    for ours, theirs in zip(*found, strict=True):
        assert relative(ours, theirs) < 1e-4


def test_looking_up_hashed_planes_is_the_plain_sum():
    torch.manual_seed(0)
    planes = HashTriplane(ModelSettings(plane_levels=5, plane_log2_entries=9), 2.0)
    with torch.no_grad():
        planes.table.normal_()
    points, found = 3 * torch.rand(5000, 3) - 1.5, []
    for device in ("cuda", "cpu"):
        here = planes.to(device)
        features = here(points.to(device))
        found.append([features, torch.autograd.grad(features.square().sum(), here.table)[0]])
    for ours, theirs in zip(*found, strict=True):
        assert relative(ours, theirs) < 1e-5


@torch.no_grad()
def test_a_head_moves_on_the_gpu_as_on_the_cpu():
    torch.manual_seed(0)
    head = GaussianHead(500, (20,), ModelSettings(plane_levels=3, plane_log2_entries=8, audio_window=4)).eval()
    for parameter in head.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    drive = Drive(torch.randn(2, 4, 20), torch.arange(4).repeat(2, 1), torch.rand(2, 1), head_camera(64, 2))
    expected = head.deform(drive)
    drive = drive.to("cuda")
    at_rest = head.to("cuda").at_rest()
    for _ in range(3):  # as it is, recorded, and replayed
        other = replace(drive, eye=1 - drive.eye)
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
