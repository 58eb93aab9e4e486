"""A hand with its forearm that is raised before the face: its mesh, and where it is over time.

The hand's own frame: origin at the wrist, y to the finger tips, z out of the back of the hand, dm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from sample.parts import COVER, Part, blend, grid_faces, noise, tube
from sample.shape import Array, capsule, ellipsoid, join, smoothstep

FINGERS = (  # (root, tip, radius at the root, radius at the tip)
    ((-0.33, 0.80, 0.0), (-0.46, 1.52, -0.12), 0.105, 0.078),
    ((-0.12, 0.86, 0.0), (-0.16, 1.76, -0.10), 0.108, 0.080),
    ((0.10, 0.86, 0.0), (0.12, 1.70, -0.11), 0.106, 0.078),
    ((0.30, 0.78, 0.0), (0.40, 1.38, -0.14), 0.096, 0.066),
    ((-0.26, 0.22, -0.04), (-0.66, 0.86, -0.18), 0.135, 0.088),
)
FOREARM = ((0.0, 0.10, 0.0), (0.10, -3.4, 0.15), 0.255, 0.44)
PALM = ((0.0, 0.50, 0.0), (0.43, 0.56, 0.15))
SIZE = 0.82  # of the figure's hand, of the modelled one
SLEEVE = -0.75  # y from which on the forearm is in its sleeve
# Where the wrist is beside the head's origin (x, y): before the mouth, before either cheek.
REACH = ((0.15, -1.40), (-0.60, -1.05), (0.60, -1.15))
BEFORE = 1.55  # dm that the hand is nearer to the camera than the head's origin
BELOW = -4.6  # y of the wrist beside the head's origin when the hand is down, out of the picture
UP, HELD = 0.35, 0.9  # seconds of raising, and of being held there


@dataclass(frozen=True)
class HandPath:
    """Where the hand is in N frames, camera frame."""

    raised: Bool[np.ndarray, "N"]  # whether it may be seen at all
    rotation: Float[np.ndarray, "N 3 3"]
    translation: Float[np.ndarray, "N 3"]  # dm


def raise_hand(times: Float[np.ndarray, "N"], stand: Float[np.ndarray, "3"], rng: np.random.Generator) -> HandPath:
    """A hand that is raised before the mouth or a cheek for about a second, every four or so.

    Args:
        times: of the frames, s.
        stand: where the head's origin is, camera frame, dm.
        rng: decides when and where.
    """
    height = np.full(len(times), BELOW)
    across, tilt = np.zeros(len(times)), np.zeros(len(times))
    begin, place = float(rng.uniform(1.0, 1.6)), int(rng.integers(len(REACH)))
    while begin < times[-1]:
        x, y = REACH[place]
        held = HELD * float(rng.uniform(0.9, 1.3))
        up = smoothstep(0, 1, (times - begin) / UP) * smoothstep(1, 0, (times - begin - UP - held) / UP)
        here = (times >= begin) & (times <= begin + 2 * UP + held)
        height += (y - BELOW) * up
        across[here] = x + 0.05 * np.sin(2 * np.pi * 0.9 * (times[here] - begin))
        tilt[here] = 0.5 * np.clip(-x, -0.6, 0.6) - 0.25
        begin += 2 * UP + held + float(rng.uniform(1.6, 2.6))
        place = (place + 1) % len(REACH)
    cos, sin, zero, one = np.cos(tilt), np.sin(tilt), np.zeros(len(times)), np.ones(len(times))
    rotation = np.stack(
        [np.stack([cos, -sin, zero], -1), np.stack([sin, cos, zero], -1), np.stack([zero, zero, one], -1)], 1
    )
    translation = stand + np.stack([across, height, np.full(len(times), BEFORE)], -1)
    return HandPath(height > BELOW, rotation, translation)


def hand(skin: Array, cloth: Array) -> Part:
    """The right hand with its forearm in a sleeve; ``skin`` and ``cloth`` are linear colours [3]."""
    sheets = [tube(*finger) for finger in (*FINGERS, FOREARM)]
    sheets.append(_ball(*PALM))
    points, faces, count = [], [], 0
    for vertices, triangles in sheets:
        points.append(_onto_surface(vertices))
        faces.append(triangles + count)
        count += len(vertices)
    p = np.concatenate(points).astype(np.float32)
    sleeve = smoothstep(SLEEVE + 0.02, SLEEVE - 0.02, p[:, 1])
    p = p + (0.05 + 0.02 * noise(p * [6, 3, 6], 41))[:, None] * sleeve[:, None] * _outward(p)
    colour = np.tile(skin, (len(p), 1)) * (1 + 0.07 * noise(p * 9, 42) + 0.05 * noise(p * 30, 43))[:, None]
    knuckle = np.zeros(len(p))
    for root, tip, *_ in FINGERS:
        for along in (0.05, 0.48, 0.76):
            joint = np.add(root, along * np.subtract(tip, root))
            knuckle += np.exp(-(((p[:, 1] - joint[1]) / 0.035) ** 2) - ((p[:, 0] - joint[0]) / 0.10) ** 2)
    colour = blend(colour, colour * np.array([0.86, 0.66, 0.62], np.float32), 0.6 * knuckle * (p[:, 2] > -0.1))
    wool = cloth * (1 + 0.18 * noise(p * [26, 34, 26], 44))[:, None]
    colour = colour + (wool - colour) * sleeve[:, None]
    light = np.ones(len(p), np.float32)
    for reach in (0.06, 0.16):
        light -= 0.3 * np.clip(1 - _distance(p + reach * _outward(p)) / reach, 0, 1)
    return Part(
        (SIZE * p).astype(np.float32),
        np.concatenate(faces),
        colour.astype(np.float32),
        (0.05, 16.0, 0.03),
        light,
        COVER,
        0.0,
    )


def _distance(points: Array) -> Array:
    """Signed distance (dm) of points [..., 3] to the hand's skin."""
    d = capsule(points, *FOREARM)
    d = join(d, ellipsoid(points, *PALM), 0.20)
    for finger in FINGERS:
        d = join(d, capsule(points, *finger), 0.07)
    return d


def _outward(points: Array) -> Array:
    step = 0.01
    slope = np.stack(
        [_distance(points + step * axis) - _distance(points - step * axis) for axis in np.eye(3, dtype=np.float32)], -1
    )
    return (slope / (np.linalg.norm(slope, axis=-1, keepdims=True) + 1e-9)).astype(np.float32)


def _onto_surface(points: Array) -> Array:
    """Points moved onto the joined surface, so that the pieces run into each other without an edge."""
    for _ in range(4):
        points = points - _distance(points)[:, None] * _outward(points)
    return points


def _ball(centre: tuple[float, ...], radii: tuple[float, ...]) -> tuple[Array, NDArray[np.int32]]:
    polar, turn = np.meshgrid(np.linspace(0, np.pi, 60), np.linspace(0, 2 * np.pi, 80, endpoint=False), indexing="ij")
    points = np.stack([np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], -1)
    return (points * radii + centre).reshape(-1, 3).astype(np.float32), grid_faces(60, 80, wrap=True)
