"""What training minimises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from arguments.settings import TrainingSettings
from imaging.ssim import ssim
from kernels.table import served
from scene.attributes import Attributes
from training.frame_batch import FrameBatch

OFFSET_COSTS = (100.0, 1.0, 1.0)  # of squared offsets of position (decimetres), scale and opacity
Perceptual = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Losses:
    """The terms of one iteration, weighted; their sum is the objective."""

    l1: Tensor
    dssim: Tensor
    lips: Tensor
    eyes: Tensor
    mask: Tensor
    perceptual: Tensor

    def total(self) -> Tensor:
        return self.l1 + self.dssim + self.lips + self.eyes + self.mask + self.perceptual


def image_losses(
    image: Float[Tensor, "B H W 3"],
    alpha: Float[Tensor, "B H W 1"],
    frames: FrameBatch,
    settings: TrainingSettings,
    perceptual: Perceptual,
) -> Losses:
    """Terms that compare a rendered batch, and what of it the head covers, with the truth.

    L1 and D-SSIM as in 3D Gaussian Splatting (Kerbl et al. 2023, equation 7); extra L1 at the lips (EGSTalker, section
    3.4) and at the eyes; L1 between rendered opacity and the head's share of each pixel, so that the
    head does not paint the torso.
    """
    error = (image - frames.image).abs().mean(dim=-1)
    share = settings.dssim_weight
    pictures = image, frames.image
    return Losses(
        l1=(1 - share) * error.mean(),
        dssim=share * (1 - ssim(*pictures).mean()),
        lips=settings.lips_weight * _mean_inside(error, frames.mouth) * 0.1,
        eyes=settings.eyes_weight * _mean_inside(error, frames.eyes) * 0.1,
        mask=settings.mask_weight * (alpha[..., 0] - frames.head).abs().mean(),
        perceptual=settings.perceptual_weight * perceptual(*pictures),
    )


@served
def multi_scale_gradients(image: Float[Tensor, "B H W 3"], truth: Float[Tensor, "B H W 3"], scales: int = 3) -> Tensor:
    """L1 between the horizontal and vertical differences of the pictures, over a pyramid of halved sizes.

    Sensitive to edges and texture at all sizes as features of a network are, and needs no weights.
    """
    difference = (image - truth).permute(0, 3, 1, 2)
    loss = difference.new_zeros(())
    for scale in range(scales):
        if scale:
            difference = functional.avg_pool2d(difference, 2)
        loss = loss + difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    return loss


def motion_loss(moves: Float[Tensor, "B V 3"], tracked: Float[Tensor, "B V 3"], weights: Float[Tensor, "V"]) -> Tensor:
    """Weighted mean squared distance between how the field moves the face's vertices and how they were tracked."""
    return ((moves - tracked).square().sum(dim=-1) * weights).mean()


def motion_weights(tracked: Float[Tensor, "N V 3"]) -> Float[Tensor, "V"]:
    """A weight for each vertex from its N moves, such that the weighted mean square of all moves is about one.

    Heavier where a vertex sometimes moves far: lids that blink once in four seconds, lips. A mean over the frames
    would drown them in what the tracker's noise does to the rest of the face.
    """
    distance = tracked.norm(dim=-1)
    reach = distance.quantile(0.99, dim=0)
    share = (reach / reach.median().clamp(min=1e-6)).clamp(0.5, 6.0)
    return share / distance.square().mean().clamp(min=1e-6)


def offset_loss(offsets: Attributes) -> Tensor:
    """Mean squared offsets of position (decimetres, times 100), scale and opacity."""
    parts = zip((offsets.means, offsets.scales, offsets.opacities), OFFSET_COSTS, strict=True)
    return sum((cost * part.square().mean() for part, cost in parts), offsets.packed.new_zeros(()))


def _mean_inside(error: Float[Tensor, "B H W"], mask: Bool[Tensor, "B H W"]) -> Tensor:
    inside = mask.to(error.dtype)
    return (error * inside).sum() / inside.sum().clamp(min=1)


def psnr_of(image: Tensor, truth: Tensor) -> Tensor:
    """PSNR of a training batch in dB, for the progress line; without gradient."""
    return -10 * torch.log10((image.detach().clamp(0, 1) - truth).square().mean().clamp(min=1e-10))
