"""The bare head as one implicit surface: ellipsoids and tapered capsules blended into a skull, a face and a nose.

Everything is in the head frame in decimetres: origin between the ears, x to the subject's left, y up, z ahead.
The blending is the polynomial smooth minimum of signed distances (I. Quilez, "smooth minimum", iquilezles.org).
The shape is star-shaped about ``CENTRE``, so that a direction names exactly one point of the surface.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Array = Float[np.ndarray, "..."]

CENTRE = np.array([0.0, -0.05, 0.1], np.float32)
EYE_CENTRE = np.array([0.315, 0.2, 0.735], np.float32)  # the subject's left eye; the right one is its mirror image
EYE_RADIUS = 0.128
LID_THICKNESS = 0.014
MOUTH_CORNER = 0.25  # half the mouth's width
JAW_HINGE = np.array([0.0, -0.05, 0.05], np.float32)


def ellipsoid(points: Array, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    """Approximate signed distance of points [..., 3] to an ellipsoid."""
    scale = np.asarray(radii, np.float32)
    offset = (points - np.asarray(centre, np.float32)) / scale
    length = np.sqrt(np.einsum("...i,...i", offset, offset)) + 1e-9
    offset /= scale
    return length * (length - 1) / (np.sqrt(np.einsum("...i,...i", offset, offset)) + 1e-9)


def capsule(points: Array, start: tuple[float, ...], end: tuple[float, ...], first: float, last: float) -> Array:
    """Signed distance of points [..., 3] to a segment whose thickness goes from radius ``first`` to ``last``."""
    origin, axis = np.asarray(start, np.float32), np.subtract(end, start).astype(np.float32)
    offset = points - origin
    along = np.clip(offset @ axis / (axis @ axis), 0, 1)
    offset -= along[..., None] * axis
    return np.sqrt(np.einsum("...i,...i", offset, offset)) - (first + (last - first) * along)


def join(a: Array, b: Array, blend: float) -> Array:
    """Smooth union of two distances; ``blend`` is the width of the fillet."""
    mix = np.clip(0.5 + 0.5 * (b - a) / blend, 0, 1)
    return b + (a - b) * mix - blend * mix * (1 - mix)


def carve(a: Array, b: Array, blend: float) -> Array:
    """Smooth difference: ``a`` without ``b``."""
    return -join(-a, b, blend)


def head_distance(points: Array) -> Array:
    """Signed distance (dm, negative inside) of points [..., 3] to the head's skin, eyes closed, mouth closed."""
    p = np.array(points, np.float32)
    p[..., 0] = np.abs(p[..., 0])
    d = ellipsoid(p, (0, 0.44, -0.02), (0.72, 0.80, 0.94))
    d = join(d, ellipsoid(p, (0, -0.17, 0.28), (0.59, 0.82, 0.60)), 0.24)
    d = join(d, capsule(p, (0.41, -0.50, 0.14), (0.16, -0.87, 0.70), 0.125, 0.125), 0.22)
    d = join(d, ellipsoid(p, (0, -0.88, 0.74), (0.21, 0.15, 0.18)), 0.14)
    d = join(d, ellipsoid(p, (0.37, -0.03, 0.57), (0.19, 0.14, 0.19)), 0.24)
    d = join(d, ellipsoid(p, (0.28, -0.34, 0.60), (0.24, 0.26, 0.20)), 0.22)
    d = join(d, ellipsoid(p, (0, -0.52, 0.74), (0.29, 0.25, 0.20)), 0.16)
    d = join(d, capsule(p, (0.06, 0.37, 0.83), (0.44, 0.37, 0.65), 0.10, 0.09), 0.16)
    d = carve(d, ellipsoid(p, (0.30, 0.20, 1.00), (0.20, 0.13, 0.19)), 0.14)
    d = join(d, ellipsoid(p, tuple(EYE_CENTRE), (EYE_RADIUS + LID_THICKNESS,) * 3), 0.035)
    nose = capsule(p, (0, 0.26, 0.825), (0, -0.18, 1.05), 0.078, 0.082)
    nose = join(nose, ellipsoid(p, (0, -0.215, 1.075), (0.092, 0.08, 0.092)), 0.05)
    nose = join(nose, ellipsoid(p, (0.105, -0.25, 0.975), (0.064, 0.062, 0.085)), 0.07)
    nose = join(nose, capsule(p, (0, -0.25, 1.07), (0, -0.32, 0.93), 0.04, 0.05), 0.04)
    d = join(d, nose, 0.115)
    d = carve(d, ellipsoid(p, (0.058, -0.312, 1.02), (0.030, 0.038, 0.045)), 0.02)
    d = carve(d, capsule(p, (0, -0.36, 0.985), (0, -0.45, 0.99), 0.012, 0.016), 0.05)
    upper = capsule(p, (0.035, -0.487, 0.918), (0.13, -0.52, 0.893), 0.040, 0.034)
    upper = join(upper, capsule(p, (0.13, -0.52, 0.893), (0.25, -0.532, 0.80), 0.034, 0.02), 0.03)
    lower = capsule(p, (0, -0.605, 0.905), (0.12, -0.592, 0.88), 0.052, 0.044)
    lower = join(lower, capsule(p, (0.12, -0.592, 0.88), (0.25, -0.537, 0.80), 0.044, 0.02), 0.03)
    d = join(d, join(upper, lower, 0.012), 0.04)
    return carve(d, capsule(p, (-0.1, -0.735, 0.99), (0.1, -0.735, 0.99), 0.05, 0.05), 0.09)


def surface_radius(directions: Array) -> Array:
    """Distance (dm) from ``CENTRE`` to the skin along unit directions [..., 3], by bisection."""
    near, far = bracketed(CENTRE, directions, 0.25, 15)
    return 0.5 * (near + far)


def bracketed(centre: Array, directions: Array, least: float, rounds: int) -> tuple[Array, Array]:
    """Distances (dm) from ``centre`` between which the skin lies along unit directions [..., 3], by bisection.

    The first is within the head and the second is not; each of the ``rounds`` halves what lies between ``least`` and
    1.6 dm.
    """
    near = np.full(directions.shape[:-1], least, np.float32)
    far = np.full(directions.shape[:-1], 1.6, np.float32)
    for _ in range(rounds):
        middle = 0.5 * (near + far)
        inside = head_distance(centre + directions * middle[..., None]) < 0
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return near, far


def surface_point(azimuth: Array, latitude: Array) -> Array:
    """Points of the skin [..., 3] seen from ``CENTRE`` under azimuth (+ = subject's left) and latitude, rad."""
    level = np.cos(latitude)
    directions = np.stack([np.sin(azimuth) * level, np.sin(latitude), np.cos(azimuth) * level], -1).astype(np.float32)
    return CENTRE + directions * surface_radius(directions)[..., None]


def occlusion(points: Array, normals: Array) -> Array:
    """Ambient light that reaches each point, 0..1: free distance along the normal against the distance gone."""
    light = np.ones(points.shape[:-1], np.float32)
    for reach, weight in ((0.04, 0.25), (0.1, 0.3), (0.22, 0.3)):
        light -= weight * np.clip(1 - head_distance(points + reach * normals) / reach, 0, 1)
    return light


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below ``low``, 1 above ``high``, a cubic between (``low`` may exceed ``high`` for a falling step)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
