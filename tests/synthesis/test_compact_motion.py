"""Films' Gaussians in few bytes: as they were, and no byte for what stands still."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scene.gaussians import Gaussians
from synthesis.compact_motion import CompactMotion, MotionRecorder
from synthesis.low_rank import LowRank, centred


@pytest.mark.parametrize("size", [1, 5, 16, 60])
def test_chunks_give_what_a_singular_value_decomposition_of_all_does(size: int) -> None:
    torch.manual_seed(0)
    rows = torch.randn(60, 6) @ torch.diag(2.0 ** -torch.arange(6)) @ torch.randn(6, 300) + 3
    approximation = LowRank(12)
    for chunk in rows.split(size):
        approximation.add(chunk)
    assert approximation.components is not None
    sizes = torch.linalg.svdvals(rows)[:7]
    torch.testing.assert_close(approximation.coefficients.norm(dim=0), sizes, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(approximation.coefficients @ approximation.components, rows, rtol=0, atol=1e-3)
    mean, coefficients, components = centred(approximation.coefficients, approximation.components)
    torch.testing.assert_close(mean, rows.mean(0), rtol=0, atol=1e-3)
    torch.testing.assert_close(coefficients.mean(0), torch.zeros(len(components)), rtol=0, atol=1e-3)
    torch.testing.assert_close(components @ components.T, torch.eye(len(components)), rtol=0, atol=1e-3)


def test_what_is_left_out_is_the_least() -> None:
    torch.manual_seed(0)
    rows = torch.randn(80, 30) @ torch.diag(1.3 ** -torch.arange(30)) @ torch.randn(30, 200)
    approximation = LowRank(10)
    for chunk in rows.split(8):
        approximation.add(chunk)
    assert approximation.components is not None and len(approximation.components) == 10
    left = (rows - approximation.coefficients @ approximation.components).norm()
    least = torch.linalg.svdvals(rows)[10:].norm()
    assert least <= left < 1.05 * least


def _film(moving: int = 40, count: int = 100, frames: int = 30, higher: int = 3) -> Gaussians:
    """Gaussians of which the first ones swing, turn and fade, in two ways."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    time = torch.arange(frames)[:, None] / frames * 6
    swing = torch.cat([time.sin(), (2 * time).cos()], dim=1)  # [F, 2]

    def moved(width: int, amount: float) -> torch.Tensor:
        ways = torch.zeros(2, count, width)
        ways[:, :moving] = amount * (random(2, moving, width) - 0.5)
        return torch.einsum("fk,kcw->fcw", swing, ways)

    quats = random(count, 4) + moved(4, 0.1)
    return Gaussians(
        means=random(count, 3) + moved(3, 0.2),
        quats=torch.nn.functional.normalize(quats, dim=-1),
        scales=(moved(3, 0.3) - 3).exp(),
        opacities=(moved(1, 1.0)[..., 0] + 1).sigmoid(),
        colors=torch.cat(
            [(random(count, 3) + moved(3, 0.3))[:, :, None], random(count, higher, 3).expand(frames, -1, -1, -1)], dim=2
        ),
    )


def _recorded(film: Gaussians, chunk: int = 7, most_bytes: int = 10**6) -> CompactMotion:
    recorder = MotionRecorder(100.0)
    for start in range(0, len(film.means), chunk):
        recorder.add(film[slice(start, start + chunk)])
    return recorder.result(most_bytes)


def test_every_frame_comes_back() -> None:
    film = _film()
    motion = _recorded(film)
    assert motion.moving.tolist() == list(range(40))  # the others take no bytes
    for i in (0, 13, 29):
        one = motion.frame(i)
        np.testing.assert_allclose(one.means, film.means[i], atol=1e-3)
        np.testing.assert_allclose((one.quats * film.quats[i]).sum(-1).abs(), 1, atol=5e-4)
        np.testing.assert_allclose(one.scales, film.scales[i], rtol=2e-2)
        np.testing.assert_allclose(one.opacities, film.opacities[i], atol=5e-3)
        np.testing.assert_allclose(one.colors, film.colors[i], atol=1e-2)


def test_few_bytes_keep_the_largest_motion() -> None:
    film = _film()
    motion = _recorded(film, most_bytes=600)
    assert 0 < motion.shapes.numel() <= 600
    errors = [float((motion.frame(i).means - film.means[i]).norm()) for i in range(30)]
    still = float((film.means - film.means.mean(0)).norm(dim=(1, 2)).mean())
    assert np.mean(errors) < 0.8 * still


def test_somebody_who_does_not_move_takes_no_shapes() -> None:
    film = _film(moving=0, higher=0)
    motion = _recorded(film)
    assert motion.shapes.numel() == 0 and len(motion.moving) == 0
    np.testing.assert_allclose(motion.frame(3).means, film.means[3], atol=1e-3)
