"""One function from Gaussians to pixels, whatever rasterizes them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jaxtyping import Float
from torch import Tensor

from arguments.device import CPU, GPU, kind_of
from arguments.errors import EGSTalkerError
from gaussian_renderer import cpu, gsplat_backend, inria_backend, reference
from gaussian_renderer.render_output import RenderOutput
from gaussian_renderer.spherical_harmonics import view_colors
from scene.cameras import Camera
from scene.gaussians import Gaussians

Rasterizer = Callable[[Gaussians, Any, Camera, Any], RenderOutput]

BACKENDS: dict[str, Rasterizer] = {
    "cpu": cpu.rasterize,
    "gsplat": gsplat_backend.rasterize,
    "diff_gaussian_rasterization": inria_backend.rasterize,
    "reference": reference.rasterize,
}
# what renders tensors of a device unless the caller names another; the first whose package is installed
DEVICE_BACKENDS = {CPU: ("cpu",), GPU: ("gsplat", "diff_gaussian_rasterization")}


@lru_cache
def backend_for(device: str) -> str | None:
    """The rasterizer for tensors of a kind of device; None where there is none."""
    names = DEVICE_BACKENDS.get(kind_of(device), ())
    return next((name for name in names if name == CPU or importlib.util.find_spec(name)), None)


def render(
    gaussians: Gaussians,
    camera: Camera,
    background: Float[Tensor, "..."] | None = None,
    backend: str | None = None,
) -> RenderOutput:
    """Render B views of N Gaussians; differentiable in every field of ``gaussians`` and in the background.

    Args:
        gaussians: one head for all views (unbatched or a batch of 1), or one per view.
        camera: B views of one size.
        background: what shines through, any range; anything that broadcasts to [B, H, W, 3]; black if None.
        backend: one of ``BACKENDS``; by the tensors' device if None.

    Returns:
        Image, coverage, projected centres (``means2d.retain_grad()`` keeps the screen-space gradient) and radii.

    Raises:
        EGSTalkerError: if there is no such backend, or none for the device.

    Example:
        >>> import torch
        >>> means, upright = torch.randn(100, 3).requires_grad_(), torch.tensor([1.0, 0, 0, 0]).expand(100, 4)
        >>> gaussians = Gaussians(means, upright, torch.full((100, 3), 0.1), torch.rand(100), torch.rand(100, 1, 3))
        >>> views = torch.eye(4).repeat(2, 1, 1)
        >>> views[:, 2, 3] = 10.0
        >>> output = render(gaussians, Camera.from_focal(views, 150.0, 64, 48))
        >>> output.image.shape, output.alpha.shape
        (torch.Size([2, 48, 64, 3]), torch.Size([2, 48, 64, 1]))
        >>> output.image.mean().backward()
        >>> means.grad.shape
        torch.Size([100, 3])
    """
    device = gaussians.means.device.type
    name = backend or backend_for(device)
    if name not in BACKENDS:
        wanted = f"rasterizer {name!r}" if name else f"installed rasterizer for {device} tensors"
        raise EGSTalkerError(f"there is no {wanted}; use one of: {', '.join(BACKENDS)}")
    batch = len(camera)
    camera = camera.to(dtype=gaussians.means.dtype)
    colors = view_colors(gaussians, camera.positions)
    size = (batch, camera.height, camera.width, 3)
    background = gaussians.means.new_zeros(size) if background is None else background.to(gaussians.means).expand(size)
    return BACKENDS[name](gaussians.broadcast(batch), colors, camera, background)
