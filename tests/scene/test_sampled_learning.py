"""Learning from a part of the Gaussians."""

from __future__ import annotations

import torch

from scene.sampled_learning import from_some


def test_all_are_decoded_and_the_gradient_of_the_part_stands_for_all():
    torch.manual_seed(0)
    weight = torch.randn(3, 2, requires_grad=True)
    inputs, wanted = torch.randn(4, 40, 3), torch.randn(4, 40, 2)

    def decode(rows):
        return (inputs[:, rows] @ weight).tanh()

    def gradient(sampled):
        out = from_some(decode, sampled)
        assert torch.allclose(out, decode(slice(None)))
        return torch.autograd.grad((out * wanted).sum(), weight)[0]

    exact = gradient(None)
    order = torch.randperm(40)
    parts = [gradient(part) for part in order.split(10)]
    assert torch.allclose(torch.stack(parts).mean(0), exact, rtol=1e-4, atol=1e-5)
    assert (parts[0] - exact).abs().max() > 1e-3
