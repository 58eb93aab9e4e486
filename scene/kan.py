"""Kolmogorov-Arnold layers: a learnt one-dimensional function on every edge, sums at the nodes.

Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), equation 2.10 and section 2.2: an edge is
``w_b silu(x) + sum_g w_g B_g(x)`` with cubic B-splines ``B_g`` on a uniform grid. A layer is a sum over its inputs, so
the contribution of inputs that several frames share is computed once and added (:class:`KANLayer` takes a list).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kernels.table import served

ORDER = 3  # cubic splines
EdgeWeights = tuple[Float[Tensor, "_ _"], Float[Tensor, "_ _ _"]]
"""Of a layer's edges: of the base function [I, O], and of each spline [I, G, O]."""


def spline_basis(x: Float[Tensor, "*S"], grid: int) -> Float[Tensor, "*S G"]:
    """Values of the ``grid + 3`` uniform cubic B-splines whose knots cover [-1, 1] with ``grid`` intervals.

    They sum to one on [-1, 1]. Closed form of the cubic B-spline: with u the distance to the spline's centre in
    intervals, ``B(u) = (max(0, 2 - u)^3 - 4 max(0, 1 - u)^3) / 6``.
    """
    step = 2.0 / grid
    centres = torch.arange(-1, grid + 2, device=x.device, dtype=x.dtype) * step - 1.0
    u = ((x[..., None] - centres) / step).abs()
    return ((2 - u).clamp(min=0) ** 3 - 4 * (1 - u).clamp(min=0) ** 3) / 6


class KANLayer(nn.Module):
    """One layer of spline edges; inputs are squashed to [-1, 1] by tanh, the splines' domain.

    Args:
        in_features: I.
        out_features: O.
        grid: intervals of the splines' knots; an edge has ``grid + 3`` splines.
        zero: start at zero output, for a decoder whose offsets start at none.

    Example:
        >>> KANLayer(64, 14)(torch.randn(2, 1000, 64)).shape
        torch.Size([2, 1000, 14])
    """

    def __init__(self, in_features: int, out_features: int, *, grid: int = 5, zero: bool = False) -> None:
        super().__init__()
        self.in_features, self.out_features, self.grid = in_features, out_features, grid
        self.base = nn.Parameter(torch.empty(in_features, out_features))
        self.spline = nn.Parameter(torch.empty(in_features, grid + ORDER, out_features))
        scale = 0.0 if zero else in_features**-0.5
        nn.init.normal_(self.base, std=scale)
        nn.init.normal_(self.spline, std=scale * 0.3)

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """Sum of every input's edge functions, without an activation after it."""
        return self.partial(x, 0)

    def partial(
        self, x: Float[Tensor, "*B P"], start: int, onto: Float[Tensor, "N O"] | None = None
    ) -> Float[Tensor, "*B O"]:
        """What inputs ``start .. start + P`` contribute to the output; contributions of all inputs add up.

        Args:
            x: those P inputs.
            start: the first one's number.
            onto: contributions of other inputs, which frames share.
        """
        stop = start + x.shape[-1]
        return spline_edges(x, self.base[start:stop], self.spline[start:stop], onto)


@served
def spline_edges(
    x: Float[Tensor, "*B I"],
    base: Float[Tensor, "I O"],
    spline: Float[Tensor, "I G O"],
    onto: Float[Tensor, "N O"] | None = None,
) -> Float[Tensor, "*B O"]:
    """``silu(x) base + B(tanh x) spline + onto``, as precise as the weights.

    Args:
        x: inputs of any size.
        base: weights of the base function, of each edge.
        spline: weights of the splines, of each edge; G = grid + 3.
        onto: what is added to each row's outputs; N is the last dimension of ``B``.
    """
    x = x.to(base.dtype)
    edges = functional.silu(x) @ base + spline_sum(torch.tanh(x), spline)
    return edges if onto is None else edges + onto


@served
def spline_sum(t: Float[Tensor, "*B I"], spline: Float[Tensor, "I G O"]) -> Float[Tensor, "*B O"]:
    """Sum of the splines of all inputs.

    Args:
        t: inputs in -1..1.
        spline: weights of the G = grid + 3 splines of each edge.
    """
    return spline_basis(t, spline.shape[1] - ORDER).flatten(-2) @ spline.flatten(0, 1)


@served
def decode(
    x: Float[Tensor, "*B I"], onto: Float[Tensor, "N H"] | None, layers: Sequence[EdgeWeights]
) -> Float[Tensor, "*B O"]:
    """Inputs through a stack of layers.

    Args:
        x: inputs of the first layer that frames do not share.
        onto: what other inputs contribute to the first layer's outputs; None for nothing.
        layers: weights of each.
    """
    for base, spline in layers:
        x, onto = spline_edges(x, base, spline, onto), None
    return x


class KAN(nn.Module):
    """A stack of KAN layers.

    Args:
        widths: of the input, each hidden layer and the output.
        grid: intervals of the splines' knots.
        zero: the last layer starts at zero.

    Example:
        >>> decoder = KAN([96, 64, 14])
        >>> spatial, attended = torch.randn(1000, 64), torch.randn(2, 1000, 32)
        >>> decoder(spatial, attended).shape  # spatial features are the same in both frames
        torch.Size([2, 1000, 14])
    """

    def __init__(self, widths: Sequence[int], *, grid: int = 5, zero: bool = False) -> None:
        super().__init__()
        last = len(widths) - 2
        layers = [KANLayer(a, b, grid=grid, zero=zero and i == last) for i, (a, b) in enumerate(pairwise(widths))]
        self.first, self.rest = layers[0], nn.Sequential(*layers[1:])

    def forward(self, shared: Float[Tensor, "N S"], own: Float[Tensor, "B N O"] | None = None) -> Tensor:
        """Decode N Gaussians in B frames.

        Args:
            shared: inputs that are the same in all frames.
            own: each frame's inputs; widths[0] = S + O.

        Returns:
            [N, widths[-1]] without ``own``, else [B, N, widths[-1]].
        """
        if own is None:
            return decode(shared, None, self.weights(0))
        split = shared.shape[-1]
        return decode(own, self.first.partial(shared, 0), self.weights(split))

    def weights(self, start: int) -> list[EdgeWeights]:
        """Of each layer; of the first, those of its inputs from ``start`` on."""
        layers = [self.first, *(layer for layer in self.rest if isinstance(layer, KANLayer))]
        first, *rest = ((layer.base, layer.spline) for layer in layers)
        return [(first[0][start:], first[1][start:]), *rest]


class MLP(nn.Module):
    """The ablation's decoder: linear layers with ReLU, the same interface as :class:`KAN`."""

    def __init__(self, widths: Sequence[int], *, zero: bool = False) -> None:
        super().__init__()
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        if zero:
            nn.init.zeros_(layers[-1].weight)
            nn.init.zeros_(layers[-1].bias)
        self.first = layers[0]
        self.rest = nn.Sequential(*(part for layer in layers[1:] for part in (nn.ReLU(), layer)))

    def forward(self, shared: Float[Tensor, "N S"], own: Float[Tensor, "B N O"] | None = None) -> Tensor:
        """As :meth:`KAN.forward`."""
        split = shared.shape[-1]
        x = functional.linear(shared, self.first.weight[:, :split], self.first.bias)
        if own is not None:
            x = x + functional.linear(own.to(x.dtype), self.first.weight[:, split:])
        return self.rest(x)


def make_decoder(kind: str, widths: Sequence[int], *, grid: int, zero: bool) -> KAN | MLP:
    """The decoder of setting ``kind``: "kan" or "mlp"."""
    return KAN(widths, grid=grid, zero=zero) if kind == "kan" else MLP(widths, zero=zero)
