"""The Gaussians of a film in few bytes: how they are in the mean of its frames, and whole numbers of how they move.

What a head does in seconds of speech are a few dozen shapes, each more or less (:mod:`synthesis.low_rank`); these are
kept as int8, and only of the Gaussians that move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor
from torch.nn import functional

from kernels.columns import ATTRIBUTES, COLORS, MEANS, OPACITIES, ROTATIONS, SCALES
from scene.gaussians import Gaussians
from synthesis.low_rank import LowRank, centred

MOST = 64  # shapes of one part
TOLERANCE = 0.02  # root mean square of what the shapes leave out, in the units below
_STILL = 0.02  # units: what moves less, in the root mean square over the frames, does not
_UNITS = ((ROTATIONS, 6.0), (SCALES, 3.0), (OPACITIES, 1.0), (COLORS, 4.0))
"""Of an attribute's change, in about the effect of a pixel: Gaussians are two or three pixels wide."""
_MOST_LOGIT = 9.0  # beyond which opacities are 0 or 1
_STEPS = 127


@dataclass(frozen=True)
class CompactMotion:
    """N Gaussians in F frames: ``mean``, and for M of them ``coefficients @ (scales * shapes)`` in some columns.

    The columns are those of :mod:`kernels.columns`.
    """

    mean: Float[Tensor, "14 N"]
    higher: Float[Tensor, "K 3 N"]
    """Spherical harmonics above the constant."""
    moving: Int[Tensor, "M"]
    """The Gaussians that move, ascending."""
    columns: tuple[int, ...]
    """C of the 14: those in which they do."""
    shapes: Int8[Tensor, "R C M"]
    scales: Float[Tensor, "R C"]
    coefficients: Float[Tensor, "F R"]

    def frame(self, i: int) -> Gaussians:
        """The Gaussians of a frame, unbatched."""
        values = self.mean.clone()
        change = torch.einsum("r,rc,rcm->cm", self.coefficients[i], self.scales, self.shapes.float())
        values[torch.tensor(self.columns, dtype=torch.int64)[:, None], self.moving] += change
        raw = values.T
        constant = raw[:, None, COLORS]
        return Gaussians(
            means=raw[:, MEANS],
            quats=functional.normalize(raw[:, ROTATIONS], dim=-1),
            scales=raw[:, SCALES].exp(),
            opacities=raw[:, OPACITIES].sigmoid(),
            colors=torch.cat([constant, self.higher.movedim(-1, 0)], dim=1),
        )


class MotionRecorder:
    """Takes the Gaussians of a film as they come, and keeps the shapes of their motion.

    Args:
        pixels: how many of the film a decimetre has at the person's distance.
    """

    def __init__(self, pixels: float) -> None:
        self._units = torch.ones(ATTRIBUTES)
        self._units[MEANS] = pixels
        for columns, unit in _UNITS:
            self._units[columns] = unit
        self._motion = LowRank(MOST)
        self._first: Float[Tensor, "D"] | None = None
        self._higher: Float[Tensor, "K 3 N"] | None = None

    def add(self, gaussians: Gaussians) -> None:
        """Take in the next frames, a batch."""
        rows = (_raw(gaussians) * self._units[:, None]).flatten(1)
        if self._first is None:
            self._first, self._higher = rows[0], gaussians.colors[0, :, 1:].movedim(0, -1)
        self._motion.add(rows - self._first)  # of small numbers, rounding leaves more

    def result(self, most_bytes: int) -> CompactMotion:
        """All of it, in about so many bytes at most."""
        if self._motion.components is None or self._first is None or self._higher is None:
            raise ValueError("no frame was added")
        mean, coefficients, shapes = centred(self._motion.coefficients, self._motion.components)
        shapes = shapes.unflatten(1, (ATTRIBUTES, -1))
        frames, energy = len(coefficients), coefficients.square().sum(0)
        change = torch.einsum("r,rcn->cn", energy, shapes.square()) / frames
        moving = (change.amax(0).sqrt() > _STILL).nonzero()[:, 0]
        columns = (change[:, moving].mean(1).sqrt() > _STILL / 4).nonzero()[:, 0]
        rank = _rank(energy, TOLERANCE**2 * frames * max(1, len(moving) * len(columns)))
        rank = min(rank, most_bytes // max(1, len(moving) * len(columns)))
        kept = shapes[:rank][:, columns][:, :, moving]
        units = self._units[columns, None]
        largest = functional.pad(kept.abs(), (0, 1)).amax(2, keepdim=True)  # of none, it is zero
        scales = largest.clamp(min=1e-12) / _STEPS
        steps = (kept / scales).round()
        return CompactMotion(
            (self._first + mean).unflatten(0, (ATTRIBUTES, -1)) / self._units[:, None],
            self._higher,
            moving,
            tuple(columns.tolist()),
            steps.to(torch.int8),
            (scales / units)[..., 0],
            coefficients[:, :rank],
        )


def _rank(energy: Float[Tensor, "R"], left_out: float) -> int:
    """How many of the strongest components there must be, for the others to have no more than so much."""
    beyond = energy.flip(0).cumsum(0).flip(0)
    return int((beyond > left_out).sum())


def _raw(gaussians: Gaussians) -> Float[Tensor, "B 14 N"]:
    """Attributes that may be added to, as :mod:`kernels.columns` has them."""
    parts: Sequence[Tensor] = (
        gaussians.means,
        gaussians.quats,
        gaussians.scales.log(),
        torch.logit(gaussians.opacities, 1e-6).clamp(-_MOST_LOGIT, _MOST_LOGIT)[..., None],
        gaussians.colors[..., 0, :],
    )
    return torch.cat(list(parts), dim=-1).transpose(1, 2)
