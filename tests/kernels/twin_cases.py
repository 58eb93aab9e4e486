"""For each entry of the table of kernels, calls whose results and gradients its twins must share with the plain one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import torch
from torch import Tensor

from arguments.device import CPU
from arguments.settings import ModelSettings
from gaussian_renderer.spherical_harmonics import view_colors
from imaging.ssim import C1, C2
from kernels.columns import SCALES
from scene.attributes import Attributes, Offsets
from scene.gaussian_model import GaussianModel
from scene.rigid_motion import RigidMotion
from scene.triplane import HashTriplane
from training.deformed_gaussians import deformed_gaussians


@dataclass(frozen=True)
class Where:
    """On which device, and how precisely, a case is computed."""

    device: str = CPU
    dtype: torch.dtype = torch.float64

    def put(self, *tensors: Tensor) -> list[Tensor]:
        """Copies there, as leaves of a history."""
        return [x.to(self.device, self.dtype, copy=True).requires_grad_() for x in tensors]


Case = Callable[[Callable, Where], list[Tensor]]
PLAIN = Where()


def plain_of(name: str) -> Callable:
    """The plain function of an entry of the table."""
    module, _, function = name.rpartition(".")
    if function == "make_adam":
        return lambda groups, betas: torch.optim.Adam(groups, betas=betas)
    found = getattr(import_module(module), function)
    return getattr(found, "__wrapped__", found)


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Difference by the size of what is expected, both as vectors."""
    ours, theirs = ours.detach().cpu().double(), theirs.detach().cpu().double()
    return float((ours - theirs).norm() / theirs.norm().clamp(min=1e-12))


def with_gradients(out: Tensor, leaves: list[Tensor], seed: int = 1) -> list[Tensor]:
    """``out``, and its gradients under fixed random weights."""
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed)).to(out)
    return [out, *torch.autograd.grad((out * weight).sum(), leaves)]


def hash_lookup(function: Callable, where: Where) -> list[Tensor]:
    """Some points lie on the border."""
    torch.manual_seed(0)
    planes = HashTriplane(ModelSettings(plane_levels=5, plane_log2_entries=9), 2.0)
    unit = (1.5 * torch.rand(5000, 3) - 0.25).clamp(0, 1 - 1e-6)
    (table,) = where.put(torch.randn_like(planes.table))
    points = unit.to(where.device, where.dtype)
    return with_gradients(function(points, table, planes.layout.to(where.device)), [table])


def spline_edges(function: Callable, where: Where) -> list[Tensor]:
    """With and without what other inputs contribute."""
    torch.manual_seed(0)
    results = []
    for rows, inputs, outputs, grid in ((1000, 48, 64, 5), (333, 64, 14, 8), (64, 128, 11, 4)):
        base, spline = torch.randn(inputs, outputs), torch.randn(inputs, grid + 3, outputs) / 4
        leaves = where.put(2 * torch.randn(3, rows, inputs), base, spline, torch.randn(rows, outputs))
        results += with_gradients(function(*leaves), leaves)
        results += with_gradients(function(*leaves[:3]), leaves[:3])
    return results


def spline_sum(function: Callable, where: Where) -> list[Tensor]:
    """One row to many, both ends of the interval among them."""
    torch.manual_seed(0)
    results = []
    for rows in (1, 7, 300):
        t = torch.rand(rows, 6) * 2 - 1
        t[0, :3] = torch.tensor([-1.0, 1.0, 0.0])
        leaves = where.put(t, torch.randn(6, 8, 5))
        results += with_gradients(function(*leaves), leaves)
    return results


@torch.no_grad()
def decode(function: Callable, where: Where) -> list[Tensor]:
    """Of inputs alone, and of inputs on top of what others contribute; large ones too."""
    torch.manual_seed(0)
    sizes = (3, 70, 24), (24, 32), (24, 8, 32), (32, 14), (32, 8, 14), (70, 32)
    x, base1, spline1, base2, spline2, onto = (
        tensor.detach() for tensor in where.put(*(torch.randn(*size) for size in sizes))
    )
    x[0, 0] *= 20
    layers = [(base1, spline1), (base2, spline2)]
    return [function(x, onto, layers), function(x[0], None, layers)]


def over(function: Callable, where: Where) -> list[Tensor]:
    """Every amount of cover over every brightness."""
    alpha, shade = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    front = np.stack([shade, 255 - shade, shade // 2, alpha], axis=-1)
    back = np.ascontiguousarray(front[::-1, :, :3])
    picture = np.empty_like(back)
    function(front, back, picture)
    return [torch.from_numpy(picture.astype(np.float64))]


def similarity(function: Callable, where: Where) -> list[Tensor]:
    """Pictures that resemble each other."""
    torch.manual_seed(0)
    truth = torch.rand(2, 40, 33, 3)
    (x,), (y, window) = where.put((truth + 0.3 * torch.randn_like(truth)).clamp(0, 1)), where.put(truth, _symmetric())
    return with_gradients(function(x, y.detach(), window.detach(), (C1, C2)), [x])


def _symmetric() -> Tensor:
    taps = torch.exp(-torch.linspace(-2, 2, 11).square())
    return taps / taps.sum()


def filtered(function: Callable, where: Where) -> list[Tensor]:
    """Maps of odd sizes."""
    torch.manual_seed(0)
    maps, window = (tensor.detach() for tensor in where.put(torch.rand(2, 31, 26, 12), _symmetric()))
    return [function(maps, window)]


def multi_scale_gradients(function: Callable, where: Where) -> list[Tensor]:
    """Pictures of odd sizes."""
    torch.manual_seed(0)
    image, truth = where.put(*torch.rand(2, 2, 41, 34, 3))
    return with_gradients(function(image, truth.detach()), [image])


def make_adam(function: Callable, where: Where) -> list[Tensor]:
    """Twenty steps."""
    torch.manual_seed(0)
    gradients = torch.randn(20, 3000, 2).to(where.device, where.dtype)
    (parameter,) = where.put(torch.randn(3000, 2))
    rate = torch.tensor(0.01, device=where.device, dtype=torch.float32)
    optimizer = function([{"params": [parameter], "lr": rate, "decay": 0.0, "eps": 1e-12}], (0.9, 0.99))
    for gradient in gradients:
        parameter.grad = gradient
        optimizer.step()
    return [parameter]


def moved_gaussians(function: Callable, where: Where) -> list[Tensor]:
    """All of them, most and some of them move, of each degree; through the function that chooses the kernel."""
    return [x for degree in (0, 1, 2) for moved in (None, 300, 170) for x in _moved_gaussians(degree, moved, where)]


def _moved_gaussians(degree: int, moved: int | None, where: Where) -> list[Tensor]:
    torch.manual_seed(0)
    model = GaussianModel(300, 20, ModelSettings(sh_degree=degree))
    torch.nn.init.normal_(model.sh_rest)
    packed, quaternions, translations = torch.randn(300, 14), torch.randn(3, 4), torch.randn(3, 3)
    packed[:, SCALES] *= 6  # some beyond the smallest and the largest
    added = [] if moved is None else [torch.randn(3, moved, 14), torch.rand(moved, 14)]
    moving = torch.randperm(300)[: moved or 300].sort().values
    positions = 6 * torch.randn(3, 3)
    here = model.to(where.device)
    leaves = [x.to(where.device).requires_grad_() for x in (packed, quaternions, translations, *added)]
    offsets = Offsets(*leaves[3:]) if added else None
    there, motion = positions.to(where.device), RigidMotion.of(*leaves[1:3])
    gaussians, cost = deformed_gaussians(here, Attributes(leaves[0]), offsets, moving.to(where.device), motion, there)
    fields = [gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, view_colors(gaussians, there)]
    weights = (torch.randn(field.shape, generator=torch.Generator().manual_seed(2)) for field in fields)
    loss = 3 * cost + sum((field * weight.to(field)).sum() for field, weight in zip(fields, weights, strict=True))
    wanted = [*leaves, *([here.sh_rest] if degree else [])]
    return [*fields, cost, *torch.autograd.grad(loss, wanted)]


CASES: dict[str, tuple[Case, float]] = {
    "scene.triplane.hash_lookup": (hash_lookup, 1e-4),
    "scene.kan.spline_edges": (spline_edges, 3e-3),
    "scene.kan.spline_sum": (spline_sum, 1e-4),
    "scene.kan.decode": (decode, 1e-4),
    "scene.backdrop.over": (over, 0.0),
    "imaging.ssim.similarity": (similarity, 1e-4),
    "imaging.ssim.filtered": (filtered, 1e-5),
    "training.losses.multi_scale_gradients": (multi_scale_gradients, 1e-4),
    "training.deformed_gaussians.deformed_gaussians": (moved_gaussians, 1e-4),
    "training.optimizer.make_adam": (make_adam, 1e-5),
}
"""A case for each entry, and how far its results may be from the plain ones, relative to their size."""
