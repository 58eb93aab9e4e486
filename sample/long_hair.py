"""Hair below the ears: loose over the shoulders, or in two braids. Head frame, dm."""

from __future__ import annotations

import numpy as np

from sample.parts import HEAD, Part, blend, grid_faces, linear, noise, wire
from sample.shape import Array, smoothstep

# Half-width, half-depth and middle (z) of the loose hair at some heights; below the chin it widens over the shoulders.
HEIGHTS = np.array([1.02, 0.90, 0.70, 0.40, 0.0, -0.5, -1.0, -1.5, -2.0, -2.6])
WIDTHS = np.array([0.60, 0.70, 0.80, 0.85, 0.87, 0.84, 0.80, 0.84, 0.90, 0.92])
DEPTHS = np.array([0.66, 0.80, 0.94, 1.01, 1.00, 0.92, 0.82, 0.80, 0.82, 0.84])
MIDDLES = np.array([0.0, -0.02, -0.04, -0.06, -0.08, -0.10, -0.10, -0.06, 0.0, 0.05])
FRONT = np.radians(50.0)  # of the loose hair's front edge, off straight ahead
BRAID = np.array(  # the middle of the subject's left braid
    [[0.50, 0.25, -0.42], [0.68, -0.25, -0.20], [0.66, -0.80, 0.02], [0.60, -1.35, 0.34], [0.60, -1.75, 0.70],
     [0.62, -2.20, 0.90], [0.60, -2.75, 1.02]]
)  # fmt: skip
BRAID_RADIUS = 0.15
LOCKS = 9.0  # bulges along a braid


def follows_head(y: Array) -> Array:
    """How much of the head's motion hair follows at a height: all of it at the ears, a little on the chest."""
    return 0.12 + 0.88 * smoothstep(-2.0, -0.6, y)


def loose_hair(tint: Array) -> Part:
    """A curtain of hair from the crown over ears and shoulders; its front edges fall on the chest."""
    rows, columns = 260, 420
    turn, s = np.meshgrid(np.linspace(FRONT, 2 * np.pi - FRONT, columns), np.linspace(0, 1, rows))
    t, s = turn.ravel(), s.ravel()
    front = np.exp(-((np.minimum(t, 2 * np.pi - t) - FRONT) / 0.5))  # 1 at the front edges, 0 at the back
    length = np.interp(np.abs(t - np.pi), [0, 1.2, 2.3], [2.0, 2.3, 2.45]) + 0.10 * noise(
        np.stack([t * 9, 0 * t, 0 * t], 1), 51
    )
    y = HEIGHTS[0] - s * (HEIGHTS[0] + length)
    width, depth, middle = (np.interp(-y, -HEIGHTS, values) for values in (WIDTHS, DEPTHS, MIDDLES))
    # Strands run down; they part and meet again, and lie in locks.
    strand = np.stack([t * 16 + 0.5 * noise(np.stack([t * 3, y * 1.5, 0 * t], 1), 52), y * 0.7, 0 * t], 1)
    locks, fine = noise(strand, 53), noise(strand * [3.3, 1.2, 1.0], 54)
    finest = noise(strand * [7.0, 1.5, 1.0], 55)
    grown = smoothstep(0.0, 0.12, s)
    wave = 0.05 * np.sin(3.1 * y + 2.0 * np.sin(2 * t)) * smoothstep(-0.3, -1.2, y)
    swell = (0.045 * locks + 0.014 * fine) * grown + wave - 0.06 * (1 - grown)
    x = (width + swell) * np.sin(t)
    z = middle + (depth + swell) * np.cos(t)
    z = z + front * (0.62 * smoothstep(-1.0, -2.1, y)) + 0.10 * front * smoothstep(0.5, -0.4, y)
    x = x * (1 - 0.10 * front * smoothstep(-0.8, -1.7, y))
    points = np.stack([x, y, z], 1).astype(np.float32)
    colour = strand_colour(0.55 * locks + 0.4 * fine + 0.35 * finest, tint)
    shade = np.clip(0.80 + 0.22 * locks - 0.25 * smoothstep(-0.2, -1.2, y) * (1 - front), 0.25, 1)
    sheet = grid_faces(rows, columns)
    inner = Part(
        points * [0.97, 1, 0.97], sheet[:, ::-1].copy(), 0.5 * colour, (0.0, 1.0, 0.0), 0.3, HEAD, follows_head(y)
    )
    return Part(points, sheet, colour, (0.07, 14.0, 0.03), shade, HEAD, follows_head(y), extra=(inner,))


def braid(side: int, tint: Array) -> Part:
    """One braid from behind the ear over the shoulder to the chest; side +1 is the subject's left."""
    rows, around = 240, 48
    s = np.linspace(0, 1, rows)
    middle = np.stack([np.interp(s, np.linspace(0, 1, len(BRAID)), BRAID[:, k]) for k in range(3)], 1)
    kernel = np.hanning(41) / np.hanning(41).sum()
    middle = np.stack([np.convolve(np.pad(column, 20, mode="edge"), kernel, mode="valid") for column in middle.T], 1)
    radius = BRAID_RADIUS * smoothstep(0.0, 0.10, s) * (1 - 0.35 * s) * smoothstep(1.0, 0.93, s) + 0.004
    points, faces, ring = wire(middle, radius, around)
    along = np.repeat(s, around) * LOCKS
    plait = np.abs(np.sin(np.pi * (along + 0.5 * np.sign(np.sin(ring)) * np.cos(ring) ** 2)))  # left and right in turn
    centre = np.repeat(middle, around, 0)
    points = centre + (points - centre) * (0.72 + 0.38 * plait)[:, None]
    points[:, 0] *= side
    strand = np.stack([ring * 3 + along * 2.0, along, 0 * along], 1)
    fine, finest = noise(strand * [2, 1, 1], 56), noise(strand * [5, 2, 1], 57)
    colour = strand_colour(0.5 * fine + 0.5 * finest, tint)
    shade = np.clip(0.40 + 0.55 * plait, 0.2, 1)
    y = points[:, 1]
    faces = faces if side > 0 else faces[:, ::-1].copy()
    return Part(points.astype(np.float32), faces, colour, (0.07, 14.0, 0.03), shade, HEAD, follows_head(y))


def strand_colour(tone: Array, tint: Array) -> Array:
    """Albedo [V, 3] of hair whose strands are lighter and darker by ``tone`` [V] of about -1..1."""
    colour = np.tile(linear(98, 62, 40), (len(tone), 1)) * np.exp(0.55 * tone)[:, None]
    colour = blend(colour, linear(168, 112, 70), 0.35 * smoothstep(0.25, 0.9, tone))
    return np.clip(colour * tint, 0.003, 1).astype(np.float32)
