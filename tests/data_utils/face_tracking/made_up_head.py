"""A made-up head with FaceMesh's numbering, seen by a known camera on a known path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

SIZE = 400
FOCAL = 900.0
NAMED = {  # where some landmarks are in the head frame, decimetres
    234: (-0.69, 0, 0), 454: (0.69, 0, 0), 10: (0, 0.85, 0.62), 152: (0, -0.85, 0.62),
    1: (0, -0.1, 1.05), 2: (0, -0.2, 0.95), 6: (0, 0.25, 0.9), 33: (-0.45, 0.25, 0.65), 133: (-0.17, 0.23, 0.72),
    362: (0.17, 0.23, 0.72), 263: (0.45, 0.25, 0.65), 468: (-0.315, 0.24, 0.74), 473: (0.315, 0.24, 0.74),
    469: (-0.2565, 0.24, 0.73), 471: (-0.3735, 0.24, 0.73), 474: (0.3735, 0.24, 0.73), 476: (0.2565, 0.24, 0.73),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A head, its path and what a perfect FaceMesh would say."""

    shape: np.ndarray  # [478, 3]
    rotation: np.ndarray  # [N, 3, 3]
    translation: np.ndarray  # [N, 3]
    landmarks: np.ndarray  # [N, 478, 3] pixels

    focal: float = FOCAL
    size: int = SIZE

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Head-frame points [P, 3] in every frame [N, P, 2], by the pinhole formula written out."""
        pixels = np.empty((len(self.rotation), len(points), 2))
        for i, (rotation, translation) in enumerate(zip(self.rotation, self.translation, strict=True)):
            x, y, z = rotation @ points.T + translation[:, None]
            pixels[i] = np.stack([self.size / 2 + self.focal * x / -z, self.size / 2 - self.focal * y / -z], -1)
        return pixels


def make_scene(count: int = 80, seed: int = 0) -> Scene:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-0.62, 0.62, 478), rng.uniform(-0.8, 0.8, 478)
    z = 0.2 + 0.7 * np.sqrt(1 - (x / 0.8) ** 2 * 0.9 - (y / 1.1) ** 2 * 0.8) + rng.normal(0, 0.04, 478)
    shape = np.stack([x, y, z], -1)
    for index, place in NAMED.items():
        shape[index] = place
    time = np.arange(count) / 25
    angles = np.stack([7 * np.sin(2.1 * time), 14 * np.sin(1.3 * time + 0.4), 5 * np.sin(1.7 * time + 1)], -1)
    rotation = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix()
    translation = np.stack([0.3 * np.sin(time), 0.2 * np.cos(1.4 * time), -8 + 0.4 * np.sin(0.9 * time)], -1)
    scene = Scene(shape, rotation, translation, np.empty(0))
    depth = -(shape @ np.swapaxes(rotation, 1, 2) + translation[:, None])[..., 2:]
    relative = (depth + translation[:, None, 2:]) * FOCAL / -translation[:, None, 2:]
    return Scene(shape, rotation, translation, np.concatenate([scene.pixels(shape), relative], -1))
