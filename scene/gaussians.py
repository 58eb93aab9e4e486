"""The head as a set of oriented 3D Gaussians, ready to render."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Gaussians:
    """N oriented 3D Gaussians in the head frame, activated (ready to render).

    The leading dimensions are optional: no batch is one head seen by every camera, a batch of B is one head per frame.
    """

    means: Float[Tensor, "... N 3"]  # centres, head units
    quats: Float[Tensor, "... N 4"]  # unit, scalar first
    scales: Float[Tensor, "... N 3"]  # standard deviations, head units
    opacities: Float[Tensor, "... N"]  # 0..1
    colors: Float[Tensor, "... N K 3"]  # spherical harmonics, K = (degree + 1)^2, constant term first

    @property
    def count(self) -> int:
        """Number of Gaussians N of one head."""
        return self.means.shape[-2]

    @property
    def batch_shape(self) -> torch.Size:
        """Leading dimensions of the means: empty for one unbatched head."""
        return self.means.shape[:-2]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Gaussians:
        """The same Gaussians on another device or in another floating-point type."""
        return self.map(lambda tensor, _: tensor.to(device=device, dtype=dtype))

    def detach(self) -> Gaussians:
        """The same values outside the autograd graph."""
        return self.map(lambda tensor, _: tensor.detach())

    def broadcast(self, batch: int) -> Gaussians:
        """Views with one leading dimension of ``batch``; every field may be unbatched, of batch 1, or of that batch.

        Raises:
            RuntimeError: if a field has another batch size.
        """
        return self.map(lambda tensor, event: tensor.expand(batch, *tensor.shape[tensor.ndim - event :]))

    def __getitem__(self, index: int | slice | Tensor) -> Gaussians:
        """The head(s) at ``index`` of the batch; unbatched fields are shared by all of it."""
        return self.map(lambda tensor, event: tensor if tensor.ndim == event else tensor[index])

    def map(self, function: Callable[[Tensor, int], Tensor]) -> Gaussians:
        """Apply ``function(tensor, number of dimensions after the batch)`` to every field."""
        dimensions = {"means": 2, "quats": 2, "scales": 2, "opacities": 1, "colors": 3}
        return Gaussians(**{f.name: function(getattr(self, f.name), dimensions[f.name]) for f in fields(self)})
