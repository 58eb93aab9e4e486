"""The rasterizer's plain-torch twin: every Gaussian at every pixel, any float type, gradients by autograd.

Straightforward on purpose, for tests and small scenes: memory grows with pixels times Gaussians.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gaussian_renderer.render_output import RenderOutput
from kernels.conventions import (
    FRUSTUM_MARGIN,
    LOW_PASS,
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    NEAR,
)
from scene.cameras import Camera
from scene.gaussians import Gaussians


def rotation_matrices(quats: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 3 3"]:
    """Rotations of quaternions (scalar first), which are normalised first."""
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def project(
    gaussians: Gaussians, camera: Camera
) -> tuple[Float[Tensor, "B N 2"], Float[Tensor, "B N 2 2"], Float[Tensor, "B N"]]:
    """EWA projection (Zwicker et al. 2001; Kerbl et al. 2023, eq. 5): centres and covariances in pixels, and depths."""
    rotation, translation = camera.viewmats[:, None, :3, :3], camera.viewmats[:, None, :3, 3]
    points = (rotation @ gaussians.means[..., None])[..., 0] + translation
    depths = points[..., 2]
    points = torch.where(depths[..., None] >= NEAR, points, torch.ones_like(points))  # culled later: keep them finite
    x, y, z = points.unbind(-1)
    fx, fy = camera.intrinsics[:, 0, 0, None], camera.intrinsics[:, 1, 1, None]
    cx, cy = camera.intrinsics[:, 0, 2, None], camera.intrinsics[:, 1, 2, None]
    means2d = torch.stack([fx * x / z + cx, fy * y / z + cy], dim=-1)

    margin_x, margin_y = FRUSTUM_MARGIN * camera.width / fx, FRUSTUM_MARGIN * camera.height / fy
    x = z * torch.minimum(torch.maximum(x / z, -cx / fx - margin_x), (camera.width - cx) / fx + margin_x)
    y = z * torch.minimum(torch.maximum(y / z, -cy / fy - margin_y), (camera.height - cy) / fy + margin_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [torch.stack([fx / z, zero, -fx * x / z**2], dim=-1), torch.stack([zero, fy / z, -fy * y / z**2], dim=-1)],
        dim=-2,
    )
    axes = rotation_matrices(gaussians.quats) * gaussians.scales[..., None, :]
    spread = jacobian @ rotation @ axes
    covariances = spread @ spread.transpose(-1, -2) + LOW_PASS * torch.eye(2, dtype=z.dtype, device=z.device)
    return means2d, covariances, depths


def visible(
    gaussians: Gaussians,
    colors: Float[Tensor, "B N 3"],
    means2d: Float[Tensor, "B N 2"],
    covariances: Float[Tensor, "B N 2 2"],
    depths: Float[Tensor, "B N"],
) -> Bool[Tensor, "B N"]:
    """Gaussians that are finite, in front of the camera and strong enough to mark a pixel."""
    finite = (means2d.sum(-1) + covariances.sum((-1, -2)) + depths + gaussians.opacities + colors.sum(-1)).isfinite()
    return finite & (depths >= NEAR) & (gaussians.opacities > MIN_ALPHA) & (torch.linalg.det(covariances) > 0)


def rasterize(
    gaussians: Gaussians, colors: Float[Tensor, "B N 3"], camera: Camera, background: Float[Tensor, "B H W 3"]
) -> RenderOutput:
    """Render a batch: ``gaussians`` and ``colors`` already have the camera's batch size."""
    means2d, covariances, depths = project(gaussians, camera)
    seen = visible(gaussians, colors, means2d, covariances, depths)
    like = means2d.detach()
    rows = torch.arange(camera.height, dtype=like.dtype, device=like.device) + 0.5
    columns = torch.arange(camera.width, dtype=like.dtype, device=like.device) + 0.5
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)

    images, coverages = [], []
    radii = torch.zeros_like(like[..., 0])
    for frame in range(len(camera)):
        order = seen[frame].nonzero()[:, 0]
        order = order[torch.sort(depths[frame, order].detach(), stable=True).indices]
        opacity, covariance = gaussians.opacities[frame, order], covariances[frame, order]
        offset = pixels[:, :, None] - means2d[frame, order]
        distance = torch.einsum("hwni,nij,hwnj->hwn", offset, torch.linalg.inv(covariance), offset)
        alpha = torch.clamp_max(opacity * torch.exp(-0.5 * distance), MAX_ALPHA)
        alpha = torch.where(alpha >= MIN_ALPHA, alpha, torch.zeros_like(alpha))
        after = torch.cumprod(1 - alpha, dim=-1)
        alpha = torch.where(after > MIN_TRANSMITTANCE, alpha, torch.zeros_like(alpha))
        after = torch.cat([torch.ones_like(pixels[..., :1]), torch.cumprod(1 - alpha, dim=-1)], dim=-1)
        images.append((alpha * after[..., :-1]) @ colors[frame, order] + after[..., -1:] * background[frame])
        coverages.append(1 - after[..., -1:])

        extent = torch.sqrt(2 * torch.log(opacity / MIN_ALPHA)).detach()
        box = extent[:, None] * covariance.diagonal(dim1=-1, dim2=-2).sqrt().detach()
        corner = like.new_tensor([camera.width, camera.height])
        centre = like[frame, order]
        on_screen = ((centre + box > 0) & (centre - box < corner)).all(-1)
        radii[frame, order] = extent * torch.linalg.eigvalsh(covariance.detach())[:, 1].sqrt() * on_screen
    return RenderOutput(torch.stack(images), torch.stack(coverages), means2d, radii)
