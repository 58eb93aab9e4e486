"""The CPU rasterizer: projection, binning in depth order, blending by tiles; differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gaussian_renderer.render_output import RenderOutput
from kernels.conventions import FRUSTUM_MARGIN
from kernels.cpu.binning import depth_order, tile_lists
from kernels.cpu.blending import Blended, blend, blend_gradients
from kernels.cpu.projection import Projection, project
from kernels.cpu.threads import kernels
from scene.cameras import Camera
from scene.gaussians import Gaussians


def rasterize(
    gaussians: Gaussians, colors: Float[Tensor, "B N 3"], camera: Camera, background: Float[Tensor, "B H W 3"]
) -> RenderOutput:
    """Render a batch: ``gaussians`` and ``colors`` already have the camera's batch size; float32 or float64."""
    pinholes = camera_table(camera).to(gaussians.means.dtype)
    seen = project(gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, pinholes)
    image, alpha = _Blend.apply(seen.means2d, seen.conics, gaussians.opacities, colors, background, seen)
    return RenderOutput(image, alpha, seen.means2d, seen.radii)


def camera_table(camera: Camera) -> Float[Tensor, "B 22"]:
    """Cameras as :func:`kernels.cpu.projection.project` takes them.

    Rotation row by row, translation, fx, fy, cx, cy, width, height, then the limits of x/z and of y/z.
    """
    views, lenses = camera.viewmats.detach(), camera.intrinsics.detach()
    fx, fy, cx, cy = lenses[:, 0, 0], lenses[:, 1, 1], lenses[:, 0, 2], lenses[:, 1, 2]
    size = torch.tensor([[camera.width, camera.height]], dtype=views.dtype).expand(len(views), 2)
    margin_x, margin_y = FRUSTUM_MARGIN * camera.width / fx, FRUSTUM_MARGIN * camera.height / fy
    limits = [
        -cx / fx - margin_x,
        (camera.width - cx) / fx + margin_x,
        -cy / fy - margin_y,
        (camera.height - cy) / fy + margin_y,
    ]
    lens = torch.stack([fx, fy, cx, cy], dim=-1)
    parts = [views[:, :3, :3].flatten(1), views[:, :3, 3], lens, size, torch.stack(limits, dim=-1)]
    return torch.cat(parts, dim=-1)


class _Blend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, _means2d, _conics, opacities, colors, background, seen: Projection):
        height, width = background.shape[1:3]
        with kernels() as threads:
            lists = tile_lists(seen, opacities, colors, depth_order(seen, colors), width, height, threads)
            blended = blend(lists, background.contiguous().numpy(), threads)
        image, transmittance = torch.from_numpy(blended.image), torch.from_numpy(blended.transmittance)
        ctx.lists, ctx.ends = lists, blended.ends
        ctx.save_for_backward(image, transmittance)
        return image, (1 - transmittance)[..., None]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, v_image, v_alpha):
        image, transmittance = ctx.saved_tensors
        blended = Blended(image.numpy(), transmittance.numpy(), ctx.ends)
        v_alpha = v_alpha[..., 0].contiguous()
        with kernels() as threads:
            gradients = blend_gradients(ctx.lists, blended, v_image.contiguous().numpy(), v_alpha.numpy(), threads)
        v_background = v_image * transmittance[..., None] if ctx.needs_input_grad[4] else None
        return *(torch.from_numpy(gradient) for gradient in gradients), v_background, None
