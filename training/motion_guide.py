"""The tracked face vertices, which show the deformation where lips, lids and jaw go before the pictures can."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from training.dataset import TalkingHeadDataset
from training.losses import motion_loss, motion_weights

VERTICES = 468  # at most so many
BLINK_PREFERENCE = 10.0  # a frame of closed eyes guides so many times more often, being so much rarer


class MotionGuide:
    """How V vertices of the face moved in the training frames."""

    def __init__(self, dataset: TalkingHeadDataset, device: str) -> None:
        frames = slice(dataset.train.start, dataset.train.stop)
        vertices = dataset.vertices[frames]
        vertices = vertices[:, guiding_rows(vertices)].float().to(device)
        self.at_rest: Float[Tensor, "V 3"] = vertices.median(dim=0).values
        self.first_frame = frames.start
        self._moves = vertices - self.at_rest
        self._weights = motion_weights(self._moves)
        chances = (1 + BLINK_PREFERENCE * dataset.eyes[frames]).double()
        self.chances: Float[Tensor, "N"] = chances / chances.sum()
        """Of each training frame to guide; on the host."""

    def loss(self, moves: Float[Tensor, "B P 3"], frames: Int[Tensor, "B"], vertices: Int[Tensor, "P"]) -> Tensor:
        """How far ``moves`` are from the tracked ones of those (training) frames and vertices."""
        tracked = self._moves[frames - self.first_frame][:, vertices]
        return motion_loss(moves, tracked, self._weights[vertices])


def guiding_rows(vertices: Float[Tensor, "N V 3"]) -> Int[Tensor, "P"]:
    """At most VERTICES of the V: evenly chosen, but of a dense mesh half of them by how far each moves.

    In FaceMesh lips and lids are the densest part; in the evenly meshed Basel Face Model they are a few per cent.
    """
    count = vertices.shape[1]
    if count <= 2 * VERTICES:
        return torch.linspace(0, count - 1, min(count, VERTICES)).round().long()
    some = vertices[:: max(1, len(vertices) // 100)].float()
    moved = (some - some.median(dim=0).values).abs().mean(dim=(0, 2)).double()
    share = torch.cumsum(moved + moved.mean().clamp(min=1e-9), 0)
    wanted = (torch.arange(VERTICES) + 0.5) / VERTICES * share[-1]
    return torch.unique(torch.searchsorted(share, wanted).clamp(max=count - 1))
