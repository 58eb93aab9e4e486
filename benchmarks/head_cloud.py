"""A head-like cloud of Gaussians from a seed: what is measured where there is no trained head."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import normalize

from scene.cameras import Camera, nerf_to_opencv
from scene.gaussians import Gaussians

HALF_AXES = (0.8, 1.15, 0.95)  # of the ellipsoid, decimetres
DISTANCE = 11.0  # camera to head, decimetres
COVERED = 2.9  # height of the picture at the head, decimetres


def head_cloud(count: int, seed: int = 0, degree: int = 0) -> Gaussians:
    """``count`` Gaussians on a head-sized shell, as a trained head has them: they overlap and most are nearly opaque.

    Args:
        count: number of Gaussians; they get smaller as there are more, so that the shell stays closed.
        seed: of the random numbers.
        degree: of the spherical harmonics, 0..3.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    spacing = math.sqrt(4 * math.pi * HALF_AXES[0] * HALF_AXES[1] / max(count, 1))
    depth = 1 - 0.03 * torch.rand(count, 1, generator=generator)
    return Gaussians(
        means=normalize(normal(count, 3), dim=-1) * torch.tensor(HALF_AXES) * depth,
        quats=normalize(normal(count, 4), dim=-1),
        scales=0.8 * spacing * torch.exp(0.3 * normal(count, 3)),
        opacities=torch.sigmoid(1.5 + 1.5 * normal(count)),
        colors=0.5 * normal(count, (degree + 1) ** 2, 3),
    )


def head_camera(size: int, batch: int = 1) -> Camera:
    """``batch`` square views of the head from in front, each turned by a degree more than the one before."""
    camera_to_world = torch.eye(4).repeat(batch, 1, 1)
    angle = torch.deg2rad(torch.arange(batch) - (batch - 1) / 2)
    camera_to_world[:, 0, 0] = camera_to_world[:, 2, 2] = torch.cos(angle)
    camera_to_world[:, 0, 2], camera_to_world[:, 2, 0] = torch.sin(angle), -torch.sin(angle)
    camera_to_world[:, :3, 3] = DISTANCE * camera_to_world[:, :3, 2]
    return Camera.from_focal(nerf_to_opencv(camera_to_world), size * DISTANCE / COVERED, size, size)
