"""Many frames as a few shapes and how much of each is in every frame: a low-rank approximation, made as frames come."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_NOTHING = 5e-4  # of the strongest component: what is weaker is rounding


class LowRank:
    """The best approximation of F rows by ``rank`` components, of rows that come in chunks.

    It holds one chunk and the components at a time: the sequential Karhunen-Loeve transform (Levy and Lindenbaum, IEEE
    Transactions on Image Processing 2000) with the rows' coefficients carried along.

    Args:
        rank: R, the most components that are kept between chunks.

    Attributes:
        coefficients: [F, R], of the rows so far.
        components: [R, D], orthonormal, the strongest first.

    Example:
        >>> torch.manual_seed(0)
        >>> rows = torch.randn(100, 3) @ torch.randn(3, 500)
        >>> approximation = LowRank(8)
        >>> for chunk in rows.split(7):
        ...     approximation.add(chunk)
        >>> approximation.components.shape
        torch.Size([3, 500])
        >>> bool((approximation.coefficients @ approximation.components - rows).abs().max() < 1e-3)
        True
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.coefficients: Float[Tensor, "F R"] = torch.zeros(0, 0)
        self.components: Float[Tensor, "R D"] | None = None

    def add(self, rows: Float[Tensor, "C D"]) -> None:
        """Take in the next rows, of the same D as those before."""
        known = rows.new_zeros(0, rows.shape[1]) if self.components is None else self.components
        strength = self.coefficients.norm(dim=0)
        stacked = torch.cat([strength[:, None] * known, rows])
        energy, turns = torch.linalg.eigh((stacked @ stacked.T).double())
        kept = energy > energy[-1] * _NOTHING**2
        kept[: max(0, len(energy) - self.rank)] = False
        sizes, turns = energy[kept].sqrt().flip(0).float(), turns[:, kept].flip(1).float()
        self.components = (turns / sizes.clamp(min=1e-30)).T @ stacked
        unit = self.coefficients / strength.clamp(min=1e-30)
        self.coefficients = torch.cat([unit @ turns[: len(strength)], turns[len(strength) :]]) * sizes


def centred(
    coefficients: Float[Tensor, "F R"], components: Float[Tensor, "R D"]
) -> tuple[Float[Tensor, "D"], Float[Tensor, "F R"], Float[Tensor, "R D"]]:
    """The mean row, and an approximation of what is left of the rows without it; the strongest component first.

    ``components`` are orthonormal, and so are the ones returned.
    """
    middle = coefficients.mean(0)
    left, sizes, turn = torch.linalg.svd((coefficients - middle).double(), full_matrices=False)
    return middle @ components, (left * sizes).float(), turn.float() @ components
