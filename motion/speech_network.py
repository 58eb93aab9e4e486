"""Small networks that hear a fifth of a second of sound and say what the face does in its midst, many at once.

Members of the ensemble differ by their random start and by what they learnt from. They are run together, as one batch
of matrix products and one grouped convolution a layer.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

DILATIONS = (1, 2)
REACH = sum(DILATIONS)  # rows that a network sees to each side of its middle
LOOK_AHEAD = 3  # rows of 40 ms after a frame's own
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
        self.middle = nn.ParameterList(torch.randn(members * width, width, 3) / (3 * width) ** 0.5 for _ in DILATIONS)
        self.middle_bias = nn.ParameterList(torch.zeros(members * width) for _ in DILATIONS)
        self.last = nn.Parameter(torch.randn(members, width, codes) * 0.3 / width**0.5)
        self.last_bias = nn.Parameter(torch.zeros(members, 1, codes))

    def forward(self, rows: Float[Tensor, "E B T D"]) -> Float[Tensor, "E B S K"]:
        """Codes of S = T - 2 REACH frames; the first is that of row LOOK_BACK."""
        members, batch, length, _ = rows.shape
        hidden = self._dropped(torch.matmul(rows, self.first[:, None]) + self.first_bias[:, None])
        hidden = hidden.permute(1, 0, 3, 2).reshape(batch, members * self.width, length)
        for weight, bias, dilation in zip(self.middle, self.middle_bias, DILATIONS, strict=True):
            heard = functional.conv1d(functional.gelu(hidden), weight, bias, dilation=dilation, groups=members)
            hidden = hidden[..., dilation:-dilation] + self._dropped(heard)
        hidden = functional.gelu(hidden).unflatten(1, (members, self.width)).permute(1, 0, 3, 2)
        return torch.matmul(hidden, self.last[:, None]) + self.last_bias[:, None]

    def member(self, which: slice) -> SpeechNetwork:
        """Some of the networks by themselves."""
        chosen = range(*which.indices(len(self.first)))
        features, codes = self.first.shape[1], self.last.shape[2]
        part = SpeechNetwork(len(chosen), features, codes, width=self.width, dropout=self.dropout)
        with torch.no_grad():
            for mine, theirs in zip(part.parameters(), self.parameters(), strict=True):
                whole = theirs.reshape(len(self.first), -1)[which]
                mine.copy_(whole.reshape(mine.shape))
        return part

    def _dropped(self, hidden: Tensor) -> Tensor:
        return functional.dropout(hidden, self.dropout, self.training)


def padded(features: Float[Tensor, "N D"]) -> Float[Tensor, "M D"]:
    """The rows that N frames need, M = N + 2 REACH: the first and last are repeated beyond the ends."""
    before, after = features[:1].expand(LOOK_BACK, -1), features[-1:].expand(LOOK_AHEAD, -1)
    return torch.cat([before, features, after])
