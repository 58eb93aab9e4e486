"""The rasterizer on NVIDIA GPUs: gsplat (Ye et al., "gsplat: an open-source library for Gaussian splatting", 2024).

Called step by step instead of through ``gsplat.rasterization``, so that the projected centres, whose gradient drives
densification, are on the way to the picture; every frame of a batch has Gaussians and a camera of its own.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from arguments.errors import EGSTalkerError
from gaussian_renderer.render_output import RenderOutput
from kernels.conventions import LOW_PASS, NEAR
from scene.cameras import Camera
from scene.gaussians import Gaussians

TILE = 16  # pixels


def rasterize(
    gaussians: Gaussians, colors: Float[Tensor, "B N 3"], camera: Camera, background: Float[Tensor, "B H W 3"]
) -> RenderOutput:
    """Render a batch: ``gaussians`` and ``colors`` already have the camera's batch size; float32 on CUDA.

    Raises:
        EGSTalkerError: gsplat is not installed, or too old.
    """
    gsplat = _gsplat()
    width, height = camera.width, camera.height
    opacities = gaussians.opacities.contiguous()
    radii, means2d, depths, conics, _ = gsplat.fully_fused_projection(
        gaussians.means.contiguous(),
        None,
        gaussians.quats.contiguous(),
        gaussians.scales.contiguous(),
        camera.viewmats[:, None].contiguous(),
        camera.intrinsics[:, None].contiguous(),
        width,
        height,
        eps2d=LOW_PASS,
        near_plane=NEAR,
        opacities=opacities,
    )
    radii, means2d, depths, conics = radii[:, 0], means2d[:, 0], depths[:, 0], conics[:, 0]
    columns, rows = -(-width // TILE), -(-height // TILE)
    _, keys, entries = gsplat.isect_tiles(means2d, radii, depths, TILE, columns, rows)
    starts = gsplat.isect_offset_encode(keys, len(camera), columns, rows)
    image, alpha = gsplat.rasterize_to_pixels(
        means2d, conics, colors.contiguous(), opacities, width, height, TILE, starts, entries
    )
    image = torch.addcmul(image, 1 - alpha, background)
    return RenderOutput(image, alpha, means2d, radii.amax(dim=-1).to(image.dtype))


@lru_cache
def _gsplat() -> ModuleType:
    try:
        import gsplat
    except ImportError as error:
        raise EGSTalkerError(
            "rendering on the GPU needs gsplat; build the container (./build.sh) or install gsplat==1.5.3"
        ) from error
    release = tuple(int(part) for part in gsplat.__version__.split(".")[:2])
    if release < (1, 5):
        raise EGSTalkerError(f"gsplat {gsplat.__version__} is too old; install gsplat==1.5.3")
    from gsplat.cuda import _backend

    if _backend._C is None:
        raise EGSTalkerError(
            "gsplat cannot compile itself: it needs nvcc of the CUDA toolkit; build the container (./build.sh) instead"
        )
    return gsplat
