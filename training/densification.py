"""Adaptive density control: more Gaussians where the picture asks for them, none where they do nothing.

Kerbl et al., "3D Gaussian Splatting" (SIGGRAPH 2023), section 5.2: a Gaussian whose screen-space position gradient is
large is cloned if it is small and split in two if it is large; faint and huge ones are removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam

from arguments.settings import TrainingSettings
from scene.gaussian_model import GaussianModel
from scene.head import GaussianHead
from scene.rigid_motion import rotation_matrix
from training.optimizer import follow


@dataclass
class GradientStatistics:
    """Sum and count of each Gaussian's screen-space gradient since the last change."""

    total: Tensor = field(default_factory=lambda: torch.zeros(0))
    seen: Tensor = field(default_factory=lambda: torch.zeros(0))

    @torch.no_grad()
    def add(self, gradient: Float[Tensor, "B N 2"], radii: Float[Tensor, "B N"], width: int, height: int) -> None:
        """Add one iteration: ``gradient`` of the loss by pixels, scaled here to normalised device units and frames."""
        if len(self.total) != gradient.shape[1]:
            self.reset(gradient)
        x, y = gradient.unbind(dim=-1)
        length = torch.hypot(x * (width / 2 * len(gradient)), y * (height / 2 * len(gradient)))
        visible = (radii > 0).to(gradient.dtype)
        self.total += (length * visible).sum(dim=0)
        self.seen += visible.sum(dim=0)

    def reset(self, gradient: Float[Tensor, "B N 2"]) -> None:
        """Forget everything."""
        self.total = gradient.new_zeros(gradient.shape[1])
        self.seen = gradient.new_zeros(gradient.shape[1])

    def mean(self) -> Float[Tensor, "N"]:
        return self.total / self.seen.clamp(min=1)


@torch.no_grad()
def densify(head: GaussianHead, optimizer: Adam, statistics: GradientStatistics, settings: TrainingSettings) -> None:
    """Clone, split and prune once; the optimizer's moments follow. Between min_gaussians and max_gaussians."""
    model, device = head.model, head.model.means.device
    gradient = statistics.mean() if len(statistics.total) == model.count else torch.zeros(model.count, device=device)
    rest = head.static()
    largest = rest.scales.amax(dim=-1)
    wanted = gradient > settings.densify_gradient
    room = settings.max_gaussians - model.count
    if int(wanted.sum()) > room:  # the neediest first
        neediest = gradient.topk(max(room, 0)).indices
        wanted &= torch.zeros_like(wanted).index_fill(0, neediest, True)
    split = wanted & (largest > settings.split_scale)
    useless = (rest.opacities < settings.prune_opacity) | (largest > settings.prune_scale)
    keep = ~(useless | split)
    shortage = settings.min_gaussians - int(keep.sum()) - int(wanted.sum()) - int(split.sum())
    if shortage > 0:  # spare the least faint
        faintness = torch.where(useless & ~split, rest.opacities, torch.full_like(rest.opacities, -1.0))
        spared = faintness.topk(min(shortage, model.count))
        keep[spared.indices[spared.values >= 0]] = True
    kept, clones, halves = keep.nonzero()[:, 0], (wanted & ~split).nonzero()[:, 0], split.nonzero()[:, 0]
    rows = torch.cat([kept, clones, halves, halves])
    fresh = torch.arange(len(rows), device=device) >= len(kept)
    spread = rest.scales[halves].repeat(2, 1)
    turn = rotation_matrix(rest.quats[halves]).repeat(2, 1, 1)
    shift = (turn @ (torch.randn_like(spread) * spread)[..., None])[..., 0]
    model.keep(rows)
    _move_halves(model, shift, settings.split_shrink)
    follow(optimizer, head, rows, fresh)
    statistics.total = statistics.total.new_zeros(0)


def _move_halves(model: GaussianModel, shift: Float[Tensor, "M 3"], shrink: float) -> None:
    if len(shift):
        model.means[-len(shift) :] += shift
        model.log_scales[-len(shift) :] -= torch.log(torch.tensor(shrink)).item()
