"""The static head: free positions, and attributes that are a free part plus what the tri-plane's decoder adds.

GaussianTalker (ACM MM 2024), section 3.2, decodes scale, rotation, opacity and spherical harmonics from tri-plane
features alone; the free part lets each Gaussian start from the point cloud (its colour, its neighbours' distance) and
keep detail finer than the planes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from arguments.settings import ModelSettings
from kernels.columns import LOG_SCALES
from kernels.conventions import SH_C0
from scene.attributes import Attributes
from scene.gaussians import Gaussians
from scene.kan import make_decoder
from scene.rows import rows_of
from scene.sampled_learning import from_some

FREE_PARAMETERS = ("means", "log_scales", "quats", "logit_opacities", "sh_dc", "sh_rest")


class GaussianModel(nn.Module):
    """N Gaussians of the head at rest."""

    def __init__(self, count: int, feature_dim: int, settings: ModelSettings) -> None:
        super().__init__()
        higher = (settings.sh_degree + 1) ** 2 - 1
        self.means = nn.Parameter(torch.zeros(count, 3))
        self.log_scales = nn.Parameter(torch.full((count, 3), -4.0))
        self.quats = nn.Parameter(torch.tensor([1.0, 0, 0, 0]).repeat(count, 1))
        self.logit_opacities = nn.Parameter(torch.zeros(count))
        self.sh_dc = nn.Parameter(torch.zeros(count, 3))
        self.sh_rest = nn.Parameter(torch.zeros(count, higher, 3))
        outputs = 3 + 4 + 1 + 3
        self.decoder = make_decoder(
            settings.decoder, [feature_dim, settings.feature_dim, outputs], grid=settings.kan_grid, zero=True
        )

    @torch.no_grad()
    def start_from(
        self, points: Float[Tensor, "N 3"], colors: Float[Tensor, "N 3"], spacing: Float[Tensor, "N"]
    ) -> None:
        """Take positions (decimetres), colours (0..1) and the distance to the neighbours (decimetres) of a cloud."""
        self.means.copy_(points)
        self.sh_dc.copy_((colors - 0.5) / SH_C0)
        self.log_scales.copy_((spacing * 0.6).clamp(1e-3, 0.3).log()[:, None].expand(-1, 3))
        self.logit_opacities.fill_(torch.logit(torch.tensor(0.6)).item())

    @property
    def count(self) -> int:
        """Number of Gaussians."""
        return len(self.means)

    def at_rest(self, features: Float[Tensor, "N F"], sampled: Int[Tensor, "S"] | None = None) -> Attributes:
        """The head at rest, before activation. ``features``: of the tri-plane at the means.

        ``sampled``: the Gaussians from whose gradient the decoder learns for all; None for all (:func:`from_some`).
        """
        decoded = from_some(lambda rows: self.decoder(rows_of(features, rows)), sampled)
        scales, quats, opacities, colors = decoded.split((3, 4, 1, 3), dim=-1)
        free = (self.quats + 0.1 * quats, self.log_scales + scales, self.logit_opacities[:, None] + opacities)
        return Attributes(torch.cat([self.means, *free, self.sh_dc + colors], dim=-1))

    def activated(
        self, at_rest: Attributes, offsets: Attributes | None = None, moving: Int[Tensor, "M"] | None = None
    ) -> Gaussians:
        """Ready to render: at rest, or with the ``offsets`` of the ``moving`` ones (every field has their batch)."""
        raw = at_rest if offsets is None or moving is None else _added(at_rest, offsets, moving)
        constant = raw.colors[..., None, :]
        higher = self.sh_rest.expand(*constant.shape[:-2], -1, -1)
        return Gaussians(
            means=raw.means,
            quats=functional.normalize(raw.rotations, dim=-1),
            scales=raw.scales.clamp(*LOG_SCALES).exp(),
            opacities=raw.opacities.sigmoid(),
            colors=torch.cat([constant, higher], dim=-2),
        )

    def rearrange(self, change: Callable[[str, Tensor], Tensor]) -> dict[str, nn.Parameter]:
        """Replace every free parameter by ``change(name, values)``, of another length; returns the new parameters."""
        for name in FREE_PARAMETERS:
            values = change(name, getattr(self, name).detach())
            setattr(self, name, nn.Parameter(values.contiguous()))
        return {name: getattr(self, name) for name in FREE_PARAMETERS}

    def keep(self, rows: Int[Tensor, "M"]) -> dict[str, nn.Parameter]:
        """Keep the Gaussians at ``rows`` only, in that order; rows may repeat (clones)."""
        return self.rearrange(lambda _, values: values[rows])


def _added(at_rest: Attributes, offsets: Attributes, moving: Int[Tensor, "M"]) -> Attributes:
    """The attributes of all in every frame: [B, N, 14]; ``moving`` is in ascending order."""
    rest, added = at_rest.packed, offsets.packed
    if len(moving) == len(rest):
        return Attributes(rest + added)
    return Attributes(rest.expand(len(added), *rest.shape).index_add(1, moving, added))
