"""Everything of the figure but the skin of the head: eyes, lashes, teeth, ears, hair, neck, clothes. Head frame, dm."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from sample.meshes import grid_faces, tube
from sample.shape import EYE_CENTRE, EYE_RADIUS, Array, bracketed, smoothstep

HEAD, NECK, TORSO, COVER = 1, 2, 3, 4  # labels; 0 is the background, COVER what is before the face


@dataclass(frozen=True)
class Part:
    """One rigid piece with its looks."""

    vertices: Array  # [V, 3]
    faces: NDArray[np.int32]  # [F, 3] counter-clockwise from outside
    albedo: Array  # [V, 3] linear
    gloss: tuple[float, float, float] = (0.0, 1.0, 0.0)  # strength, exponent, rim
    occlusion: Array | float = 1.0
    label: NDArray[np.uint8] | int = HEAD
    follows_head: Array | float = 1.0  # 1: moves with the head, 0: with the torso
    follows_jaw: bool = False
    eye: int = 0  # +1 or -1: turns with that eye
    extra: tuple[Part, ...] = field(default=())


def linear(red: float, green: float, blue: float) -> Array:
    """The linear colour of an sRGB one given in 0..255."""
    return (np.array([red, green, blue], np.float32) / 255) ** 2.2


def noise(points: Array, seed: int) -> Array:
    """Smooth noise of about -1..1 at points [..., 3], one feature a unit."""
    lattice = np.random.default_rng(seed).uniform(-1, 1, (32, 32, 32)).astype(np.float32)
    flat = np.moveaxis(points, -1, 0).reshape(3, -1)
    cell = np.floor(flat)
    part = flat - cell
    return map_coordinates(lattice, cell + part * part * (3 - 2 * part), order=1, mode="grid-wrap").reshape(
        points.shape[:-1]
    )


def blend(base: Array, colour: Array, amount: Array) -> Array:
    """Mix a colour into an albedo [V, 3] by an amount [V] of 0..1."""
    return base + (colour - base) * np.clip(amount, 0, 1)[:, None]


def eyeball(side: int) -> Part:
    """One eye, looking along z: side +1 is the subject's left."""
    polar, turn = np.linspace(0, 1.75, 90), np.linspace(0, 2 * np.pi, 96, endpoint=False)
    p, t = (a.ravel() for a in np.meshgrid(polar, turn, indexing="ij"))
    outward = np.stack([np.sin(p) * np.sin(t), np.sin(p) * np.cos(t), np.cos(p)], 1).astype(np.float32)
    centre = EYE_CENTRE * np.array([side, 1, 1], np.float32)
    cornea = 0.006 * np.exp(-((p / 0.42) ** 4))
    white = np.tile(linear(236, 230, 224), (len(p), 1))
    white = blend(white, linear(222, 170, 160), 0.55 * smoothstep(0.75, 1.3, p))
    streaks = noise(np.stack([np.cos(t) * 9, np.sin(t) * 9, p * 3], 1), 3)
    iris = blend(np.tile(linear(92, 120, 96), (len(p), 1)), linear(150, 128, 70), 0.7 * smoothstep(0.36, 0.2, p))
    iris *= (1 + 0.35 * streaks)[:, None]
    iris = blend(iris, linear(30, 40, 40), smoothstep(0.40, 0.47, p))
    colour = white + (iris - white) * smoothstep(0.50, 0.465, p)[:, None]
    colour = blend(colour, linear(12, 10, 12), smoothstep(0.225, 0.19, p))
    shade = (
        1
        - 0.5 * smoothstep(0.02, 0.075, outward[:, 1] * EYE_RADIUS)
        - 0.25 * smoothstep(0.07, 0.14, np.abs(outward[:, 0] * EYE_RADIUS))
    )
    return Part(
        (centre + outward * (EYE_RADIUS + cornea)[:, None]).astype(np.float32),
        grid_faces(90, 96, wrap=True)[:, ::-1].copy(),
        colour,
        (0.9, 260.0, 0.02),
        shade,
        eye=side,
    )


def teeth(lower: bool) -> Part:
    """One row of teeth along an arch."""
    turn, down = np.meshgrid(np.linspace(-1.25, 1.25, 160), np.linspace(0, 1, 14))
    t, s = turn.ravel(), down.ravel()
    along = np.abs(t) * 5.2
    gap = np.abs(along - np.round(along))  # a tooth's middle is at .5 of each step
    bulge = 0.010 * np.sqrt(np.clip(gap * 2, 0, 1)) - 0.02 * (2 * s - 1) ** 2 * (0.5 if lower else 1)
    high, low = (-0.66, -0.580) if lower else (-0.47, -0.588)
    edge = 0.008 * smoothstep(0.25, 0.0, gap) * (s > 0.9)
    y = high + (low - high) * s + edge * (-1 if lower else 1) + (0.0 if lower else 0.012 * (np.abs(t) > 0.35))
    radius = (0.19 if lower else 0.205) + bulge
    points = np.stack([radius * np.sin(t), y, 0.64 + 1.02 * radius * np.cos(t)], 1).astype(np.float32)
    colour = np.tile(linear(226, 216, 198), (len(t), 1)) * (0.62 + 0.38 * smoothstep(0.0, 0.16, gap))[:, None]
    colour = blend(colour, linear(170, 90, 88), smoothstep(0.35, 0.15, s))
    dark = (0.75 if lower else 0.9) - 0.75 * smoothstep(0.25, 1.05, np.abs(t))
    faces = grid_faces(14, 160)
    return Part(points, faces[:, ::-1].copy() if lower else faces, colour, (0.25, 50.0, 0.0), dark, follows_jaw=lower)


def mouth_cavity() -> Part:
    """The dark inside of the mouth, seen from within, and the tongue."""
    polar, turn = np.meshgrid(np.linspace(0.0, np.pi, 40), np.linspace(0, 2 * np.pi, 60, endpoint=False), indexing="ij")
    p, t = polar.ravel(), turn.ravel()
    ball = np.stack([np.sin(p) * np.sin(t), np.sin(p) * np.cos(t), np.cos(p)], 1)
    keep = ball * [0.33, 0.24, 0.27] + [0, -0.61, 0.58]
    colour = np.tile(linear(60, 18, 18), (len(p), 1))
    tongue_points = ball * [0.15, 0.05, 0.2] + [0, -0.675, 0.62]
    tongue = Part(
        tongue_points.astype(np.float32),
        grid_faces(40, 60, wrap=True)[:, ::-1].copy(),
        np.tile(linear(170, 78, 76), (len(p), 1)),
        (0.12, 30.0, 0.0),
        0.45,
        follows_jaw=True,
    )
    return Part(keep.astype(np.float32), grid_faces(40, 60, wrap=True), colour, occlusion=0.25, extra=(tongue,))


def ear(side: int) -> Part:
    """One outer ear: a rimmed shell that stands off the skull."""
    ring, turn = np.meshgrid(np.linspace(0, 1.5, 60), np.linspace(0, 2 * np.pi, 90, endpoint=False), indexing="ij")
    r, t = np.minimum(ring.ravel(), 1), turn.ravel()
    behind = np.maximum(ring.ravel() - 1, 0) * 2  # 0 on the front, to 1 at the back's middle
    across, upward = np.sin(t), np.cos(t)
    wide = 0.165 * (1 + 0.22 * upward) * (1 - 0.10 * (across > 0) * across)
    q = r * (1 - behind)
    a, b = q * wide * across, q * 0.30 * upward
    helix = np.exp(-(((q - 0.88) / 0.10) ** 2)) * smoothstep(-0.95, -0.35, upward)
    antihelix = np.exp(-(((q - 0.58) / 0.12) ** 2)) * smoothstep(-0.4, 0.3, -across + 0.3 * upward)
    bowl = np.exp(-(((a - 0.03) / 0.06) ** 2) - ((b + 0.03) / 0.10) ** 2)
    lift = np.where(behind > 0, -0.06 * np.sin(behind * np.pi / 2), 0.035 * helix + 0.022 * antihelix - 0.05 * bowl)
    lift = lift + 0.01 * np.sin(q * 3)
    yaw = 0.62  # rad that the ear's plane turns away from the skull's side
    x = 0.625 + lift * np.cos(yaw) - a * np.sin(yaw) * 1.0
    z = -0.05 + lift * np.sin(yaw) + a * np.cos(yaw) + 0.12 * b
    x = x + 0.10 * (1 - smoothstep(-0.05, 0.2, a)) * 0.35 + 0.05 * upward * q * 0.6
    points = np.stack([side * x, b + 0.03, z], 1).astype(np.float32)
    colour = np.tile(linear(226, 160, 138), (len(t), 1))
    colour = blend(colour, linear(206, 120, 104), 0.7 * helix + 0.3 * bowl)
    shade = np.clip(0.95 - 0.65 * bowl - 0.25 * np.exp(-(((q - 0.74) / 0.07) ** 2)), 0.1, 1)
    faces = grid_faces(60, 90, wrap=True)
    return Part(points, faces if side < 0 else faces[:, ::-1].copy(), colour, (0.06, 18.0, 0.03), shade)


HAIRLINE = np.array(  # (z, y) in profile from the forehead over the temple and round the ear to the nape
    [
        [1.2, 0.80],
        [0.80, 0.86],
        [0.60, 0.80],
        [0.50, 0.52],
        [0.36, 0.34],
        [0.34, 0.02],
        [0.18, 0.0],
        [0.16, 0.30],
        [-0.05, 0.36],
        [-0.24, 0.20],
        [-0.30, -0.25],
        [-1.2, -0.5],
    ]
)


def hair_thickness(points: Array) -> Array:
    """Signed distance (dm) of skin points [..., 3] inside the hairline, in profile: positive where hair grows."""
    z, y = points[..., 2], points[..., 1]
    distance = np.full(z.shape, 9.0)
    for (z0, y0), (z1, y1) in itertools.pairwise(HAIRLINE):
        along = np.clip(((z - z0) * (z1 - z0) + (y - y0) * (y1 - y0)) / ((z1 - z0) ** 2 + (y1 - y0) ** 2), 0, 1)
        distance = np.minimum(distance, np.hypot(z - z0 - along * (z1 - z0), y - y0 - along * (y1 - y0)))
    order = np.argsort(HAIRLINE[:, 0])
    sign = np.where(y > np.interp(z, HAIRLINE[order, 0], HAIRLINE[order, 1]), 1.0, -1.0)
    return (distance * sign).astype(np.float32)


def hair() -> Part:
    """Short side-parted hair: a shell whose thickness falls below the skin at the hairline."""
    azimuth = np.concatenate([np.linspace(-2.0, 2.0, 320), np.linspace(2.06, 4.22, 18)])
    latitude = np.concatenate([np.linspace(1.56, -0.1, 190), np.linspace(-0.12, -0.9, 40)])
    lat, az = np.meshgrid(latitude, azimuth, indexing="ij")
    centre = np.array([0, 0.30, -0.02], np.float32)
    level = np.cos(lat)
    directions = np.stack([np.sin(az) * level, np.sin(lat), np.cos(az) * level], -1).reshape(-1, 3).astype(np.float32)
    _, far = bracketed(centre, directions, 0.3, 13)
    skin = centre + directions * far[:, None]
    x, y, z = skin.T
    ragged = 0.028 * noise(np.stack([x * 16, y * 3, z * 5], 1), 11) + 0.02 * noise(skin * 6, 12)
    inside = hair_thickness(skin) + ragged
    parting = x - 0.27
    sweep = np.where(parting < 0, 1.0, -0.8) * np.abs(parting) ** 0.8
    lane = z * 0.85 + 0.42 * sweep * smoothstep(0.3, 0.9, y) + 0.10 * noise(skin * 2.5, 13)
    side = smoothstep(0.95, 0.55, y)
    strand = np.stack([lane * 26, x * 2.2 + 5 * side, y * 2.2], 1)
    locks = noise(strand * [0.35, 1, 1], 14)
    fine = noise(strand * [1.6, 1.3, 1.3], 15)
    finest = noise(strand * [3.2, 1.5, 1.5], 16)
    volume = (
        0.085 + 0.075 * smoothstep(0.6, 1.1, y) + 0.06 * np.exp(-(((z - 0.62) / 0.3) ** 2)) * smoothstep(0.7, 1.0, y)
    )
    volume = volume * (1 - 0.35 * np.exp(-((parting / 0.045) ** 2)) * smoothstep(0.8, 1.0, y))
    grown = smoothstep(-0.03, 0.17, inside) ** 0.7
    thickness = -0.05 + (volume + 0.05 + 0.022 * locks + 0.008 * fine) * grown
    points = (skin + directions * thickness[:, None]).astype(np.float32)
    tone = 0.55 * locks + 0.45 * fine + 0.35 * finest
    colour = np.tile(linear(98, 62, 40), (len(points), 1)) * np.exp(0.55 * tone)[:, None]
    colour = blend(colour, linear(168, 112, 70), 0.35 * smoothstep(0.25, 0.9, tone))
    shade = np.clip(0.55 + 0.45 * smoothstep(0.0, 0.12, thickness) + 0.2 * locks, 0.25, 1)
    faces = grid_faces(len(latitude), len(azimuth), wrap=True)
    faces = faces[(inside[faces] > -0.06).any(1)]
    return Part(points, faces, colour, (0.07, 14.0, 0.03), shade)


FLOOR = -9.0  # dm below the head, to which the torso's last ring reaches: no picture shows its end


def body() -> Part:
    """Neck and torso in a round-necked jumper: rings of given half-widths down from inside the head."""
    heights = np.array([-0.75, -0.95, -1.2, -1.38, -1.50, -1.60, -1.69, -1.80, -2.0, -2.4, -3.4])
    widths = np.array([0.40, 0.46, 0.49, 0.56, 0.72, 1.10, 1.52, 1.80, 1.98, 2.06, 2.10])
    depths = np.array([0.36, 0.44, 0.50, 0.56, 0.62, 0.70, 0.76, 0.82, 0.90, 0.98, 1.00])
    centres = np.array([-0.06, -0.12, -0.18, -0.22, -0.25, -0.28, -0.28, -0.26, -0.22, -0.18, -0.15])
    down = np.linspace(0, 1, 220)
    fine_y = np.interp(down, np.linspace(0, 1, len(heights)), heights)
    kernel = np.hanning(27) / np.hanning(27).sum()

    def profile(values: Array) -> Array:
        sampled = np.interp(-fine_y, -heights, values)
        return np.convolve(np.pad(sampled, 13, mode="edge"), kernel, mode="valid")

    turn, y = np.meshgrid(np.linspace(-1.75, 1.75, 280), fine_y)
    width, depth, centre = (np.repeat(profile(v)[:, None], 280, 1) for v in (widths, depths, centres))
    t, y = turn.ravel(), y.ravel()
    square = 1 - 0.30 * smoothstep(-1.5, -1.9, y)  # the torso's section is squarer than the neck's
    x = width.ravel() * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** square
    z = centre.ravel() + depth.ravel() * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** square
    tendon = np.exp(-(((np.abs(x) - 0.16 - 0.25 * smoothstep(-1.45, -0.8, y)) / 0.06) ** 2)) * smoothstep(-1.6, -1.4, y)
    z = z + 0.02 * tendon * (np.cos(t) > 0) + 0.025 * np.exp(-((x / 0.07) ** 2) - ((y + 1.16) / 0.08) ** 2)
    neckline = -1.50 + 0.30 * (np.abs(x) / 0.62) ** 2 * (z < 9) - 0.16 * smoothstep(-0.3, 0.5, z) + 0.13
    inside = neckline - y  # dm below the jumper's edge
    cloth = smoothstep(-0.012, 0.004, inside)
    collar = np.exp(-(((inside - 0.05) / 0.045) ** 4)) * cloth
    points = np.stack([x, y, z], 1)
    fold = noise(points * [1.6, 1.1, 1.6] + 7, 21) + 0.5 * noise(points * [3.5, 2, 3.5], 22)
    out = np.stack([np.sin(t), 0.6 * smoothstep(-1.9, -1.5, y), np.cos(t)], 1)
    points = points + out * (0.045 * cloth + 0.025 * collar + 0.018 * fold * smoothstep(0.1, 0.5, inside))[:, None]
    skin = np.tile(linear(222, 160, 134), (len(t), 1)) * (1 + 0.05 * noise(points * 9, 23))[:, None]
    skin = blend(skin, linear(205, 128, 106), 0.25 + 0.25 * noise(points * 3, 24))
    height = y + 0.02 * fold
    stripes = smoothstep(0.055, 0.045, np.abs(height + 1.86)) + smoothstep(0.055, 0.045, np.abs(height + 2.04))
    knit = 1 + 0.16 * noise(points * [26, 34, 10], 25) + 0.10 * noise(points * [5, 60, 5], 26)
    wool = blend(np.tile(linear(38, 92, 104), (len(t), 1)), linear(196, 188, 168), 0.85 * stripes) * knit[:, None]
    wool = blend(wool, linear(28, 66, 78), 0.8 * collar)
    colour = skin + (wool - skin) * cloth[:, None]
    under_chin = smoothstep(-0.85, -1.35, y) * 0.62 + 0.38
    shade = np.clip(under_chin * (1 - 0.45 * smoothstep(-0.10, -0.005, inside) * (1 - cloth)), 0.2, 1)
    points[y < -3.35, 1] = FLOOR
    label = np.where(cloth > 0.5, TORSO, NECK).astype(np.uint8)
    return Part(
        points.astype(np.float32),
        grid_faces(220, 280),
        colour,
        (0.02, 12.0, 0.02),
        shade + 0.05 * fold * cloth,
        label,
        smoothstep(-1.5, -0.85, y),
    )


def nape() -> Part:
    """The back of the neck, which only a head that is turned far shows."""
    points, faces = tube((0, -0.45, -0.27), (0, -1.75, -0.28), 0.36, 0.46)
    skin = np.tile(linear(215, 147, 123), (len(points), 1)) * (1 + 0.05 * noise(points * 9, 27))[:, None]
    shade = 0.38 + 0.62 * smoothstep(-0.85, -1.35, points[:, 1])
    return Part(points, faces, skin, (0.02, 12.0, 0.02), shade, NECK, smoothstep(-1.5, -0.85, points[:, 1]))
