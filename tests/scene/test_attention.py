"""Efficient spatial-audio attention and its ablation."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from scene.attention import Attention


def make(agents: int | None) -> Attention:
    torch.manual_seed(1)
    return Attention(6, 5, 8, heads=2, agents=agents).double()


def naive_esaa(attention: Attention, features: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The docstring's formula, head by head, for one frame."""
    q = functional.linear(features, attention.to_query.weight, attention.to_query.bias)
    kv = functional.linear(tokens, attention.to_key_value.weight, attention.to_key_value.bias)
    heads = []
    for h in range(2):
        part = slice(4 * h, 4 * h + 4)
        query, key, value = q[:, part], kv[:, :8][:, part], kv[:, 8:][:, part]
        pool = attention.pool[h]
        agents = torch.stack([((query @ a) / math.sqrt(4)).softmax(0) @ query + a for a in pool])
        heard = (agents @ key.T / math.sqrt(4)).softmax(-1) @ value
        heads.append((query @ agents.T / math.sqrt(4)).softmax(-1) @ heard)
    return attention.to_out(torch.cat(heads, dim=-1))


def test_esaa_is_its_formula():
    attention = make(3)
    features, tokens = torch.randn(11, 6).double(), torch.randn(2, 7, 5).double()
    heard = attention(attention.spatial(features), tokens)
    for frame in range(2):
        assert torch.allclose(heard[frame], naive_esaa(attention, features, tokens[frame]))


def test_cross_attention_is_torchs():
    attention = make(None)
    features, tokens = torch.randn(11, 6).double(), torch.randn(2, 7, 5).double()
    q = attention.to_query(features).unflatten(-1, (2, 4)).transpose(0, 1).expand(2, 2, 11, 4)
    k, v = (x.unflatten(-1, (2, 4)).transpose(1, 2) for x in attention.to_key_value(tokens).chunk(2, -1))
    expected = attention.to_out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2))
    assert torch.allclose(attention(attention.spatial(features), tokens), expected)


def test_agents_do_not_depend_on_the_order_of_the_gaussians():
    attention = make(3)
    features, tokens = torch.randn(20, 6).double(), torch.randn(1, 7, 5).double()
    order = torch.randperm(20)
    plain, shuffled = attention.spatial(features), attention.spatial(features[order])
    assert torch.allclose(plain.agents, shuffled.agents)
    assert torch.allclose(attention(plain, tokens)[:, order], attention(shuffled, tokens))


def test_points_may_attend_through_the_agents_of_others():
    attention = make(3)
    features, tokens = torch.randn(20, 6).double(), torch.randn(1, 7, 5).double()
    agents = attention.agents(features)
    some = attention(attention.spatial(features[4:9], agents), tokens)
    assert torch.allclose(some, attention(attention.spatial(features), tokens)[:, 4:9])
