"""The room behind the figure: a softly lit wall with a picture and a plant, out of focus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sample.parts import linear, noise


def paint_background(size: int, width: int | None = None, height: int | None = None) -> NDArray[np.float32]:
    """Linear colours [height, width, 3] of a picture whose shorter side is ``size`` (a square, unless given).

    The room's furniture is in the square in the middle; what is beyond it is wall and floor.
    """
    width, height = width or size, height or size
    v, u = np.mgrid[:height, :width].astype(np.float32) + 0.5
    u, v = (u - (width - size) // 2) / size, (v - (height - size) // 2) / size
    points = np.stack([u * 6, v * 6, 0 * u], -1)
    wall = linear(196, 190, 178) * (1.0 - 0.35 * np.hypot(u - 0.3, v - 0.2) + 0.05 * noise(points, 31))[..., None]
    room = wall.astype(np.float32)

    def paint(inside: NDArray, colour: NDArray, blur: float) -> None:
        cover = gaussian_filter(inside.astype(np.float32), blur * size)[..., None]
        room[:] = room * (1 - cover) + colour * cover

    paint(v > 0.83, linear(150, 116, 88), 0.004)
    frame = (np.abs(u - 0.135) < 0.105) & (np.abs(v - 0.25) < 0.15)
    paint(frame, linear(92, 70, 54), 0.005)
    canvas = (np.abs(u - 0.135) < 0.088) & (np.abs(v - 0.25) < 0.132)
    paint(canvas, linear(206, 196, 170), 0.004)
    paint(canvas & (v > 0.27 + 0.03 * np.sin(u * 40)), linear(104, 130, 120), 0.005)
    paint(np.hypot(u - 0.165, v - 0.195) < 0.026, linear(214, 132, 84), 0.005)
    rng = np.random.default_rng(32)
    for _ in range(26):
        angle, length = rng.uniform(-1.25, 1.25), rng.uniform(0.14, 0.30)
        x, y = u - 0.885, 0.66 - v
        along = (x * np.sin(angle) + y * np.cos(angle)) / length
        bend = 0.12 * along**2 * np.sign(angle)
        across = (x * np.cos(angle) - y * np.sin(angle)) / length - bend
        leaf = (np.abs(across) < 0.11 * np.sin(np.pi * np.clip(along, 0, 1))) & (along > 0) & (along < 1)
        paint(leaf, linear(58, 98, 62) * rng.uniform(0.6, 1.6), 0.005)
    pot = (np.abs(u - 0.885) < 0.075 - 0.12 * (v - 0.66)) & (v > 0.65) & (v < 0.85)
    paint(pot, linear(178, 106, 76), 0.005)
    grain = 0.03 * noise(np.stack([u * size / 2.2, v * size / 2.2, 0 * u], -1), 33)
    return np.clip(room * (1 + grain[..., None]), 0, 1).astype(np.float32)


def elsewhere(room: NDArray[np.float32]) -> NDArray[np.float32]:
    """Another place, for a film that cuts to it: linear colours of a room's shape."""
    return np.ascontiguousarray(0.15 + 0.6 * room[::-1, ::-1, ::-1])
