"""The rasterizer of 3D Gaussian Splatting (Kerbl et al. 2023), where its package is installed: one view after another.

Its interfaces differ: the plain one returns (picture, radii) and takes a colour as background, GaussianTalker's fork
adds the depth and takes a picture, later releases add the inverse depth and a field for anti-aliasing. All of them are
given a black picture (whose first three numbers are a black colour); the background is added here, behind the rendered
coverage. The principal point goes into the projection matrix.

diff-gaussian-rasterization is under a licence for non-commercial research; nothing here needs it.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from arguments.errors import EGSTalkerError
from gaussian_renderer.render_output import RenderOutput
from scene.cameras import Camera
from scene.gaussians import Gaussians

FAR = 1e4  # the depth range of the projection matrix; nothing is cut there


def rasterize(
    gaussians: Gaussians, colors: Float[Tensor, "B N 3"], camera: Camera, background: Float[Tensor, "B H W 3"]
) -> RenderOutput:
    """Render a batch: ``gaussians`` and ``colors`` already have the camera's batch size; float32 on CUDA.

    The picture is that of :mod:`kernels.conventions` but for this package's limits: it culls nearer than 0.2
    and widens the view by 30 % instead of 15 % where it linearises the projection.

    Raises:
        EGSTalkerError: the package is not installed.
    """
    package = _package()
    means2d = torch.stack([_pixels(camera, b, gaussians.means[b]) for b in range(len(camera))])
    views = []
    for b in range(len(camera)):
        settings = _settings(package, camera, b, gaussians.means)
        rasterizer = package.GaussianRasterizer(raster_settings=settings)
        offsets = _ScreenOffsets.apply(means2d[b], camera.width, camera.height)
        shared = {
            "means3D": gaussians.means[b],
            "opacities": gaussians.opacities[b, :, None],
            "scales": gaussians.scales[b],
            "rotations": gaussians.quats[b],
        }
        picture, radii = rasterizer(means2D=offsets, colors_precomp=colors[b].contiguous(), **shared)[:2]
        ones = torch.ones_like(colors[b])
        coverage = rasterizer(means2D=torch.zeros_like(offsets), colors_precomp=ones, **shared)[0]
        views.append((picture.permute(1, 2, 0), coverage[:1].permute(1, 2, 0), radii))
    image, alpha, radii = (torch.stack(parts) for parts in zip(*views, strict=True))
    return RenderOutput(torch.addcmul(image, 1 - alpha, background), alpha, means2d, radii.to(image.dtype))


class _ScreenOffsets(torch.autograd.Function):
    """Zeros [N, 3], whose gradient the package fills with that of the centres, in normalised device coordinates."""

    @staticmethod
    def forward(ctx, means2d, width, height):
        ctx.scale = means2d.new_tensor([2 / width, 2 / height])
        return torch.cat([torch.zeros_like(means2d), means2d.new_zeros(len(means2d), 1)], dim=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient[:, :2] * ctx.scale, None, None


def _pixels(camera: Camera, b: int, means: Float[Tensor, "N 3"]) -> Float[Tensor, "N 2"]:
    """Projected centres; the package computes its own, these carry its screen-space gradient only."""
    return camera[b].project(means.detach()[None])[0].requires_grad_(means.requires_grad)


def _settings(package: ModuleType, camera: Camera, b: int, like: Tensor) -> object:
    """The package's camera: matrices for row vectors, as OpenGL's are, and the tangents of half the angles of view."""
    width, height = camera.width, camera.height
    view = camera.viewmats[b]
    fx, fy = camera.intrinsics[b, 0, 0], camera.intrinsics[b, 1, 1]
    cx, cy = camera.intrinsics[b, 0, 2], camera.intrinsics[b, 1, 2]
    projection = like.new_zeros(4, 4)
    projection[0, 0], projection[1, 1] = 2 * fx / width, 2 * fy / height
    projection[0, 2], projection[1, 2] = 2 * cx / width - 1, 2 * cy / height - 1
    projection[2, 2], projection[2, 3], projection[3, 2] = FAR / (FAR - 0.01), -FAR * 0.01 / (FAR - 0.01), 1.0
    values = {
        "image_height": height,
        "image_width": width,
        "tanfovx": float(width / (2 * fx)),
        "tanfovy": float(height / (2 * fy)),
        "bg": like.new_zeros(3, height, width),
        "scale_modifier": 1.0,
        "viewmatrix": view.T.contiguous(),
        "projmatrix": (projection @ view).T.contiguous(),
        "sh_degree": 0,
        "campos": camera[b].positions[0],
        "prefiltered": False,
        "debug": False,
        "antialiasing": False,
    }
    fields = package.GaussianRasterizationSettings._fields
    return package.GaussianRasterizationSettings(**{name: values[name] for name in fields})


@lru_cache
def _package() -> ModuleType:
    try:
        import diff_gaussian_rasterization
    except ImportError as error:
        raise EGSTalkerError(
            "diff_gaussian_rasterization is not installed; build the container (./build.sh) or render with gsplat"
        ) from error
    return diff_gaussian_rasterization
