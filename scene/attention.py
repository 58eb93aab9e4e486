"""Efficient spatial-audio attention (ESAA) of Gaussians to tokens, and its ablation, cross-attention.

EGSTalker (arXiv 2510.08587), section 3.3. With queries Q from N spatial features, agents A pooled from all of them, and
keys K and values V from the audio tokens,

    ESAA = softmax(Q A^T / sqrt d) (softmax(A K^T / sqrt d) V).

The second factor has one row an agent, not one a Gaussian; the first does not depend on the frame. Cost per frame falls
from N x T to a x T plus a product with constant weights, which :class:`SpatialQueries` holds for as many frames as
share the Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from arguments.device import GPU, on_gpu
from scene.rows import rows_of


@dataclass(frozen=True)
class SpatialQueries:
    """What attention needs of the Gaussians, the same for all frames."""

    agents: Float[Tensor, "H A D"]
    """Agent queries (ESAA), or the Gaussians' own queries (cross-attention: A = N)."""
    weights: Float[Tensor, "H N A"] | None
    """softmax(Q A^T / sqrt d); None for cross-attention."""

    def __getitem__(self, which: slice | Tensor) -> SpatialQueries:
        """Those of some of the Gaussians."""
        if self.weights is None:
            return SpatialQueries(rows_of(self.agents, which, 1), None)
        return SpatialQueries(self.agents, rows_of(self.weights, which, 1))


class Attention(nn.Module):
    """Multi-head attention of N Gaussians over T tokens.

    Args:
        spatial_dim: width F of the spatial features, which become queries.
        token_dim: width C of the tokens, which become keys and values.
        dim: width of queries, keys, values and the output; ``heads`` divides it.
        heads: number of heads H.
        agents: number of agents A in each head; None is plain cross-attention.

    Example:
        >>> attention = Attention(96, 64, 32, heads=4, agents=16)
        >>> features, tokens = torch.randn(1000, 96), torch.randn(2, 11, 64)
        >>> queries = attention.spatial(features)  # once for all frames
        >>> attention(queries, tokens).shape
        torch.Size([2, 1000, 32])
    """

    def __init__(self, spatial_dim: int, token_dim: int, dim: int, *, heads: int, agents: int | None) -> None:
        super().__init__()
        self.heads, self.dim = heads, dim
        self.to_query = nn.Linear(spatial_dim, dim)
        self.to_key_value = nn.Linear(token_dim, 2 * dim)
        self.to_out = nn.Linear(dim, dim)
        self.pool = None if agents is None else nn.Parameter(2.0 * torch.randn(heads, agents, dim // heads))
        with torch.no_grad():  # an average over tokens dilutes each of them: start sharper and louder than usual
            self.to_key_value.weight.mul_(2.0)
            self.to_out.weight.mul_(2.0)

    def agents(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "H A D"] | None:
        """The agents of N Gaussians, whatever their order; None for cross-attention, which has none.

        Each agent is a learnt soft cluster of all queries: its pooling weights are a softmax over the N Gaussians.

        Args:
            features: spatial features of all Gaussians.

        Returns:
            A agent queries of width D = dim / H in each head.
        """
        if self.pool is None:
            return None
        queries = self._split(self.to_query(features))  # [H, N, D]
        with _half_precision(features):
            pooling = torch.softmax(self.pool @ queries.transpose(-1, -2) * queries.shape[-1] ** -0.5, dim=-1)
            return (pooling @ queries).float() + self.pool

    def spatial(self, features: Float[Tensor, "M F"], agents: Float[Tensor, "H A D"] | None = None) -> SpatialQueries:
        """The queries of M Gaussians, the same for all frames.

        Args:
            features: spatial features of these Gaussians.
            agents: of :meth:`agents`, pooled from all Gaussians; from these M alone if None.
        """
        queries = self._split(self.to_query(features))
        agents = self.agents(features) if agents is None else agents
        if agents is None:
            return SpatialQueries(queries, None)
        with _half_precision(features):
            scores = queries @ agents.transpose(-1, -2) * queries.shape[-1] ** -0.5
            return SpatialQueries(agents, torch.softmax(scores, dim=-1))

    def forward(self, spatial: SpatialQueries, tokens: Float[Tensor, "B T C"]) -> Float[Tensor, "B N D"]:
        """What each Gaussian attended to in each frame; the product with the agents' weights is bfloat16 on a GPU.

        Args:
            spatial: queries of N Gaussians, of :meth:`spatial`.
            tokens: keys and values of B frames.

        Returns:
            The tokens' values weighted by attention and mixed by the output layer, D = dim.
        """
        keys, values = self.to_key_value(tokens).chunk(2, dim=-1)
        keys, values = self._split(keys), self._split(values)  # [B, H, T, D]
        scale = keys.shape[-1] ** -0.5
        attended = torch.softmax(spatial.agents @ keys.transpose(-1, -2) * scale, dim=-1) @ values  # [B, H, A, D]
        # to_out is linear, so it is applied to the few agents instead of the many Gaussians
        mixed = torch.einsum("bhad,hdo->bhao", attended, self._out_by_head())
        if spatial.weights is None:
            return mixed.sum(dim=1) + self.to_out.bias
        mixed = mixed + self.to_out.bias / self.heads  # the agents' weights sum to one in each head
        joint = spatial.weights.transpose(0, 1).flatten(1)  # [N, H * A]
        with _half_precision(mixed):
            return joint @ mixed.flatten(1, 2)

    def _split(self, x: Tensor) -> Tensor:
        """[..., T, H * D] -> [..., H, T, D]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def _out_by_head(self) -> Float[Tensor, "H D O"]:
        return self.to_out.weight.T.unflatten(0, (self.heads, -1))


def _half_precision(like: Tensor) -> torch.autocast:
    """The large products in bfloat16 on a GPU: they are averages, and eight bits of an offset of a millimetre do."""
    enabled = on_gpu(like) and like.dtype == torch.float32
    return torch.autocast(GPU, torch.bfloat16, enabled=enabled, cache_enabled=False)
