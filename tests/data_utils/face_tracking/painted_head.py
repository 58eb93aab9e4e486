"""An egg painted with waves, seen by a known camera on a known path: what it shows is computed ray by ray."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from data_utils.face_parsing.head_region import OVAL
from data_utils.face_tracking import face_topology
from data_utils.face_tracking.perspective import Poses
from media.images import write_image

SIZE, FOCAL = 240, 600.0
CENTRE = (SIZE / 2, SIZE / 2)
RADII = np.array([0.75, 1.1, 0.9])  # decimetres
_RNG = np.random.default_rng(5)
_WAVES = _RNG.normal(0, 26, (24, 3))
_PHASES, _HEIGHTS = _RNG.uniform(0, 6.28, 24), _RNG.uniform(4, 12, 24)


def path(count: int) -> Poses:
    time = np.arange(count) / 3
    angles = np.stack([4 * np.sin(2.1 * time), 8 * np.sin(1.3 * time + 0.4), 3 * np.sin(1.7 * time + 1)], -1)
    translation = np.stack([0.2 * np.sin(time), 0.1 * np.cos(1.4 * time), -8 + 0.2 * np.sin(0.9 * time)], -1)
    return Poses(Rotation.from_euler("XYZ", angles, degrees=True).as_matrix(), translation)


def paint(points: np.ndarray) -> np.ndarray:
    """Grey level at points [..., 3] of the head frame."""
    return 128 + np.sin(points @ _WAVES.T + _PHASES) @ _HEIGHTS


def surface(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The egg's z at the front."""
    return RADII[2] * np.sqrt(np.maximum(1 - (x / RADII[0]) ** 2 - (y / RADII[1]) ** 2, 0.02))


def look(pose: Poses) -> tuple[np.ndarray, np.ndarray]:
    """What one pose shows: grey levels [H, W] before a plain wall, and the head's pixels [H, W]."""
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5
    ray = np.stack([(u - CENTRE[0]) / FOCAL, (CENTRE[1] - v) / FOCAL, -np.ones_like(u)], -1) @ pose.rotation[0]
    eye = -pose.translation[0] @ pose.rotation[0]
    a = ((ray / RADII) ** 2).sum(-1)
    b = (ray * eye / RADII**2).sum(-1)
    inside = b**2 - a * (((eye / RADII) ** 2).sum() - 1)
    distance = (-b - np.sqrt(np.maximum(inside, 0))) / a
    return np.where(inside > 0, paint(eye + distance[..., None] * ray), 60.0), inside > 0


@functools.cache
def face() -> np.ndarray:
    """Landmarks [478, 3] on the egg: the mesh spread out flat (Tutte, "How to draw a graph", 1963), its rim an oval."""
    edges = face_topology.mesh_edges()
    edges = edges[(edges < face_topology.NUM_MESH).all(axis=1)]
    flat = np.zeros((face_topology.NUM_LANDMARKS, 2))
    angle = 2 * np.pi * np.arange(len(OVAL)) / len(OVAL)  # clockwise in the picture, from the top
    flat[list(OVAL)] = np.stack([0.62 * np.sin(angle), 0.85 * np.cos(angle)], -1)
    free = np.setdiff1d(np.arange(face_topology.NUM_MESH), OVAL)
    for _ in range(3000):
        total, count = np.zeros_like(flat), np.zeros(len(flat))
        for a, b in (edges.T, edges.T[::-1]):
            np.add.at(total, a, flat[b])
            np.add.at(count, a, 1)
        flat[free] = total[free] / count[free, None]
    for centre, corners in ((468, (33, 133)), (473, (362, 263))):
        flat[centre : centre + 5] = flat[list(corners)].mean(axis=0)
    return np.concatenate([flat, surface(*flat.T)[:, None]], -1)


def film(folder: Path, poses: Poses, spoil=lambda i, picture: picture) -> list[Path]:
    """Picture files of the poses, each after ``spoil(i, picture)``."""
    files = []
    for i in range(len(poses)):
        picture = np.clip(spoil(i, look(poses[i : i + 1])[0]), 0, 255).astype(np.uint8)
        files.append(folder / f"{i}.png")
        write_image(files[-1], np.repeat(picture[..., None], 3, axis=-1))
    return files
