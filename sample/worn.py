"""What people wear: glasses, a knitted hat, earrings, a scarf. Head frame, dm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sample.meshes import grid_faces, wire
from sample.parts import HEAD, TORSO, Part, blend, linear, noise
from sample.shape import EYE_CENTRE, Array, bracketed, smoothstep


def glasses() -> Part:
    """Dark frames without lenses, which would only reflect: two rims, a bridge, two temples."""
    t = np.linspace(0, 2 * np.pi, 160)
    rounded = np.abs(np.stack([np.cos(t), np.sin(t)], 1)) ** 0.62 * np.sign(np.stack([np.cos(t), np.sin(t)], 1))
    pieces = []
    for side in (-1, 1):
        x = side * (EYE_CENTRE[0] + 0.01) + 0.215 * rounded[:, 0]
        y = EYE_CENTRE[1] - 0.035 + 0.155 * rounded[:, 1]
        pieces.append(_bar(np.stack([x, y, 1.005 - 0.30 * x**2], 1), 0.020))
        temple = [
            [0.53, 0.235, 0.915],
            [0.60, 0.235, 0.86],
            [0.69, 0.22, 0.45],
            [0.70, 0.20, 0.02],
            [0.68, 0.05, -0.16],
        ]
        pieces.append(_bar(_smooth(np.array(temple) * [side, 1, 1]), 0.019))
    pieces.append(_bar(_smooth(np.array([[-0.12, 0.20, 1.0], [0, 0.235, 1.045], [0.12, 0.20, 1.0]])), 0.019))
    return _joined(pieces, linear(34, 24, 22), (0.55, 60.0, 0.05))


def knitted_hat(colour: tuple[int, int, int] = (150, 52, 58)) -> Part:
    """A hat over the hair, with a turned-up edge round the forehead and above the ears."""
    rows, columns = 150, 320
    lat, az = np.meshgrid(
        np.linspace(1.56, -0.10, rows), np.linspace(-np.pi, np.pi, columns, endpoint=False), indexing="ij"
    )
    centre = np.array([0, 0.42, -0.04], np.float32)
    level = np.cos(lat)
    directions = np.stack([np.sin(az) * level, np.sin(lat), np.cos(az) * level], -1).reshape(-1, 3).astype(np.float32)
    _, far = bracketed(centre, directions, 0.3, 13)
    la, a = lat.ravel(), az.ravel()
    edge = 0.24 * smoothstep(0.2, -0.9, np.cos(a)) - 0.16 * np.cos(a) - 0.02  # below which latitude the hat ends
    down = la + edge  # 0 at the edge
    ribs = np.abs(np.sin(a * 46)) * 0.016
    cuff = smoothstep(0.30, 0.26, down) * smoothstep(-0.10, -0.04, down)
    thick = (
        0.135
        + 0.11 * smoothstep(0.25, 0.9, directions[:, 1])
        + 0.04 * cuff
        + ribs * (0.5 + cuff)
        + 0.02 * noise(directions * 4, 61)
    )
    tuck = smoothstep(-0.02, -0.12, down)  # the last rows turn in under the cuff
    points = centre + directions * (far + thick * (1 - tuck) - 0.05 * tuck)[:, None]
    down = np.maximum(down, -0.16)
    wool = (
        np.tile(linear(*colour), (len(a), 1))
        * (1 + 0.20 * noise(directions * 40, 62) + 0.10 * noise(directions * 9, 63))[:, None]
    )
    wool = blend(wool, linear(*colour) * 0.55, 0.7 * (1 - np.abs(np.sin(a * 46))) ** 2)
    shade = np.clip(0.75 + 0.25 * cuff - 0.35 * np.exp(-(((down - 0.29) / 0.02) ** 2)), 0.2, 1)
    faces = grid_faces(rows, columns, wrap=True)
    faces = faces[(down[faces] > -0.13).any(1)]
    return Part(points.astype(np.float32), faces, np.clip(wool, 0.003, 1).astype(np.float32), (0.02, 12.0, 0.05), shade)


def earrings() -> Part:
    """Two golden rings that hang from the lobes."""
    t = np.linspace(0, 2 * np.pi, 90)
    ring = np.stack([0.02 * np.cos(t), 0.13 * np.sin(t) - 0.40, 0.13 * np.cos(t) + 0.02], 1)
    pieces = [_bar((ring + np.array([0.66, 0, 0])) * [side, 1, 1], 0.026) for side in (-1, 1)]
    return _joined(pieces, linear(214, 160, 60), (0.9, 40.0, 0.2))


def scarf(colour: tuple[int, int, int] = (196, 160, 62)) -> Part:
    """A thick scarf once round the neck, with an end on the chest; it belongs to the torso."""
    rows, around = 300, 60
    t = np.linspace(0, 2 * np.pi, rows)
    middle = np.stack([0.66 * np.sin(t), -1.34 - 0.09 * np.cos(t), -0.16 + 0.56 * np.cos(t)], 1)
    loop, faces, ring = wire(middle, np.full(rows, 0.215) + 0.02 * np.sin(5 * t), around)
    centre = np.repeat(middle, around, 0)
    folds = noise(np.stack([np.cos(ring) * 3, np.sin(ring) * 3, np.repeat(t, around) * 1.2], 1), 64)
    loop = centre + (loop - centre) * (1 + 0.22 * folds)[:, None] * [1, 1.1, 0.9]
    s = np.linspace(0, 1, 160)
    fall = np.stack([0.26 + 0.10 * s, -1.5 - 1.5 * s, 0.46 + 0.42 * smoothstep(0, 0.7, s) + 0.1 * s], 1)
    end, end_faces, _ = wire(fall, np.full(160, 0.20), around)
    middle_of_end = np.repeat(fall, around, 0)
    end = middle_of_end + (end - middle_of_end) * [1.25, 1, 0.42]
    points = np.concatenate([loop, end]).astype(np.float32)
    along = np.concatenate([np.repeat(t, around) * 1.1, np.repeat(s, around) * 3.2])
    stripes = smoothstep(0.16, 0.12, np.abs(along % 0.8 - 0.4))
    wool = (
        np.tile(linear(*colour), (len(points), 1))
        * (1 + 0.22 * noise(points * 24, 65) + 0.10 * noise(points * 6, 66))[:, None]
    )
    wool = blend(wool, linear(96, 60, 92), 0.9 * stripes)
    shade = np.clip(0.78 + 0.22 * np.concatenate([folds, np.zeros(len(end))]), 0.25, 1)
    all_faces = np.concatenate([faces, end_faces + len(loop)])
    return Part(points, all_faces, np.clip(wool, 0.003, 1).astype(np.float32), (0.02, 12.0, 0.04), shade, TORSO, 0.15)


def _bar(middle: Array, radius: float) -> tuple[Array, NDArray[np.int32]]:
    points, faces, _ = wire(middle, np.full(len(middle), radius), 20)
    return points, faces


def _smooth(corners: Array, count: int = 90) -> Array:
    """A curve of ``count`` points along corners [K, 3], rounded."""
    s = np.linspace(0, len(corners) - 1, count)
    dense = np.stack([np.interp(s, np.arange(len(corners)), corners[:, k]) for k in range(3)], 1)
    kernel = np.hanning(15) / np.hanning(15).sum()
    return np.stack([np.convolve(np.pad(column, 7, mode="edge"), kernel, mode="valid") for column in dense.T], 1)


def _joined(pieces: list[tuple[Array, NDArray[np.int32]]], colour: Array, gloss: tuple[float, float, float]) -> Part:
    starts = np.cumsum([0, *(len(points) for points, _ in pieces)])
    points = np.concatenate([points for points, _ in pieces]).astype(np.float32)
    faces = np.concatenate([faces + start for (_, faces), start in zip(pieces, starts[:-1], strict=True)])
    return Part(points, faces, np.tile(colour, (len(points), 1)), gloss, 1.0, HEAD)
