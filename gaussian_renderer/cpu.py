"""The CPU rasterizer: projection, binning in depth order, blending by tiles; differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gaussian_renderer.binning import depth_order, tile_lists
from gaussian_renderer.blending import Blended, blend, blend_gradients
from gaussian_renderer.conventions import RenderOutput
from gaussian_renderer.projection import Projection, project
from scene.cameras import Camera
from scene.gaussians import Gaussians
from scene.numba_threads import kernels


def rasterize(
    gaussians: Gaussians, colors: Float[Tensor, "B N 3"], camera: Camera, background: Float[Tensor, "B H W 3"]
) -> RenderOutput:
    """Render a batch: ``gaussians`` and ``colors`` already have the camera's batch size; float32 or float64."""
    seen = project(gaussians, camera)
    image, alpha = _Blend.apply(seen.means2d, seen.conics, gaussians.opacities, colors, background, seen)
    return RenderOutput(image, alpha, seen.means2d, seen.radii)


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
            found = blend_gradients(ctx.lists, blended, v_image.contiguous().numpy(), v_alpha.numpy(), threads)
        v_background = v_image * transmittance[..., None] if ctx.needs_input_grad[4] else None
        return *(torch.from_numpy(gradient) for gradient in found), v_background, None
