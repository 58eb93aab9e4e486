"""Small networks that hear a fifth of a second of sound and say what the face does in its midst, many at once.

Members of the ensemble differ by their random start and by what they learnt from. They are run together, as batches
of matrix products.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

DILATIONS = (1, 2)
REACH = sum(DILATIONS)  # rows that a network sees to each side of its middle
LOOK_AHEAD = 2  # rows of 40 ms after a frame's own; with what the rows hear beyond their own, 160 ms
LOOK_BACK = 2 * REACH - LOOK_AHEAD


class SpeechNetwork(nn.Module):
    """E networks from D features to K codes.

    Each is a layer of width C, two dilated convolutions with skip connections, and a layer of K. Frame t is said from
    the rows t - LOOK_BACK .. t + LOOK_AHEAD.

    Args:
        members: E.
        features: D.
        codes: K.
        width: C.
        dropout: of the hidden layers, in training.

    Example:
        >>> network = SpeechNetwork(3, 20, 5, width=8).eval()
        >>> network(torch.randn(3, 2, 30 + 2 * REACH, 20)).shape
        torch.Size([3, 2, 30, 5])
    """

    def __init__(self, members: int, features: int, codes: int, *, width: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.first = nn.Parameter(torch.randn(members, features, width) / features**0.5)
        self.first_bias = nn.Parameter(torch.zeros(members, 1, width))
        self.middle = nn.ParameterList(torch.randn(members, 3 * width, width) / (3 * width) ** 0.5 for _ in DILATIONS)
        self.middle_bias = nn.ParameterList(torch.zeros(members, 1, width) for _ in DILATIONS)
        self.last = nn.Parameter(torch.randn(members, width, codes) * 0.3 / width**0.5)
        self.last_bias = nn.Parameter(torch.zeros(members, 1, codes))

    def forward(self, rows: Float[Tensor, "E B T D"]) -> Float[Tensor, "E B S K"]:
        """Codes of S = T - 2 REACH frames; the first is that of row LOOK_BACK."""
        hidden = self._dropped(_linear(rows, self.first, self.first_bias))
        for weight, bias, dilation in zip(self.middle, self.middle_bias, DILATIONS, strict=True):
            heard, length = functional.gelu(hidden), hidden.shape[2] - 2 * dilation
            taps = [heard[:, :, shift : shift + length] for shift in (0, dilation, 2 * dilation)]
            middle = hidden[:, :, dilation:-dilation]
            hidden = middle + self._dropped(_linear(torch.cat(taps, dim=-1), weight, bias))
        return _linear(functional.gelu(hidden), self.last, self.last_bias)

    def member(self, which: slice) -> SpeechNetwork:
        """Some of the networks by themselves."""
        chosen = range(*which.indices(len(self.first)))
        features, codes = self.first.shape[1], self.last.shape[2]
        part = SpeechNetwork(len(chosen), features, codes, width=self.width, dropout=self.dropout)
        with torch.no_grad():
            for mine, theirs in zip(part.parameters(), self.parameters(), strict=True):
                mine.copy_(theirs[which])
        return part.train(self.training)

    def _dropped(self, hidden: Tensor) -> Tensor:
        return functional.dropout(hidden, self.dropout, self.training)


def _linear(
    rows: Float[Tensor, "E B T A"], weight: Float[Tensor, "E A C"], bias: Float[Tensor, "E 1 C"]
) -> Float[Tensor, "E B T C"]:
    """Each member's own map of its rows."""
    flat = torch.baddbmm(bias, rows.flatten(1, 2), weight)
    return flat.unflatten(1, rows.shape[1:3])


def padded(features: Float[Tensor, "N D"]) -> Float[Tensor, "M D"]:
    """The rows that N frames need, M = N + 2 REACH: the first and last are repeated beyond the ends."""
    before, after = features[:1].expand(LOOK_BACK, -1), features[-1:].expand(LOOK_AHEAD, -1)
    return torch.cat([before, features, after])
