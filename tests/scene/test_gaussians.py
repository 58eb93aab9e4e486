"""Gaussians: batches, types and the graph."""

from __future__ import annotations

import torch

from scene.gaussians import Gaussians


def some_gaussians(*batch: int) -> Gaussians:
    return Gaussians(
        torch.randn(*batch, 5, 3, requires_grad=True),
        torch.randn(*batch, 5, 4),
        torch.rand(*batch, 5, 3),
        torch.rand(*batch, 5),
        torch.rand(5, 4, 3),
    )


def test_broadcast_shares_unbatched_fields_and_lets_gradients_through():
    gaussians = some_gaussians()
    batch = gaussians.broadcast(3)
    assert batch.means.shape == (3, 5, 3)
    assert batch.opacities.shape == (3, 5)
    assert batch.colors.shape == (3, 5, 4, 3)
    assert batch.means.data_ptr() == gaussians.means.data_ptr()
    batch.means.sum().backward()
    assert (gaussians.means.grad == 3).all()


def test_index_picks_a_frame_and_keeps_shared_fields():
    gaussians = some_gaussians(4)
    frame = gaussians[2]
    assert frame.batch_shape == ()
    assert frame.count == 5
    torch.testing.assert_close(frame.means, gaussians.means[2])
    assert frame.colors is gaussians.colors


def test_changes_type_and_leaves_the_graph():
    gaussians = some_gaussians().to(dtype=torch.float64).detach()
    assert gaussians.scales.dtype == torch.float64
    assert not gaussians.means.requires_grad
