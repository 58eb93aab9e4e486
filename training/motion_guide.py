"""The tracked face vertices, which show the deformation where lips, lids and jaw go before the pictures can."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion.face_measures import SHOWN, chosen_points
from training.dataset import TalkingHeadDataset
from training.losses import motion_loss, motion_weights

BLINK_PREFERENCE = 10.0  # a frame of closed eyes guides so many times more often, being so much rarer


class MotionGuide:
    """How V vertices of the face moved in the training frames in which the person was seen.

    Args:
        dataset: whose tracked vertices guide.
        device: where the guide is used.
    """

    def __init__(self, dataset: TalkingHeadDataset, device: str) -> None:
        frames = slice(dataset.train.start, dataset.train.stop)
        seen = torch.tensor(dataset.learnt) - frames.start
        some = dataset.learnt[:: max(1, len(dataset.learnt) // SHOWN)]
        vertices = dataset.vertices[frames][:, chosen_points(dataset.vertices[some])].float().to(device)
        self.at_rest: Float[Tensor, "V 3"] = vertices[seen].median(dim=0).values
        self.first_frame = frames.start
        self._moves = vertices - self.at_rest
        self._weights = motion_weights(self._moves[seen])
        chances = torch.zeros(len(vertices), dtype=torch.float64)
        chances[seen] = (1 + BLINK_PREFERENCE * dataset.eyes[dataset.learnt]).double()
        self.chances: Float[Tensor, "N"] = chances / chances.sum()
        """Of each training frame to guide, 0 where the person was not seen; on the host."""

    def loss(self, moves: Float[Tensor, "B P 3"], frames: Int[Tensor, "B"], vertices: Int[Tensor, "P"]) -> Tensor:
        """How far ``moves`` are from the tracked ones of those (training) frames and vertices."""
        tracked = self._moves[frames - self.first_frame][:, vertices]
        return motion_loss(moves, tracked, self._weights[vertices])
