"""The skin: a dense grid over the head with slits for eyes and mouth, and the shapes that open them.

At rest eyes and mouth are closed. Each slit is a row of the grid whose vertices are doubled; lids open by sliding over
the eyeball (key shapes), the mouth by linear blend shapes (jaw, wide, round, press), the jaw's
with harmonic weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from sample.shape import (
    CENTRE,
    EYE_CENTRE,
    EYE_RADIUS,
    JAW_HINGE,
    MOUTH_CORNER,
    Array,
    smoothstep,
    surface_point,
)

LID_KEYS = np.linspace(0, 1, 7)
JAW_ANGLE = 0.2  # rad, at full opening
MOUTH_SHAPES = ("jaw", "wide", "round", "press")
LIP_ROLL = np.array([[0, 0.004, -0.018], [0, 0.016, -0.04], [0, 0.045, -0.06], [0, 0.09, -0.07]], np.float32)


@dataclass(frozen=True)
class Skin:
    """The skin mesh at rest with its shapes, head frame, dm."""

    vertices: Array  # [V, 3], eyes and mouth closed
    faces: NDArray  # [F, 3], counter-clockwise seen from outside
    shapes: Array  # [4, V, 3] displacements of MOUTH_SHAPES at 1
    lid_index: NDArray  # [L] vertices that the lids move
    lid_keys: Array  # [7, L, 3] their displacements at LID_KEYS openings
    eye_along: Array  # [V] 0 at the inner, 1 at the outer corner of the nearer eye, beyond outside
    above_eye: Array  # [V] rest distance above the lids' closing line
    above_mouth: Array  # [V] rest distance above the line between the lips
    lip_edges: tuple[int, int]  # vertices at the middle of the upper and the lower inner lip
    roll: NDArray  # [V] bool: inside of the lips and margins of the lids


@dataclass(frozen=True)
class _Slit:
    """One opening: a row of the grid between two columns; ``below`` are the vertices that double the inner ones."""

    row: int
    first: int
    last: int
    above: NDArray  # [n] including both corners
    below: NDArray  # [n] the corners shared with ``above``


def build_skin() -> Skin:
    """Make the skin at rest with all its shapes (about a second)."""
    azimuth = _spaced(-np.pi, np.pi, 0.0082, 0.06, lambda a: np.abs(a) < 0.85)[:-1]
    latitude = _spaced(-1.42, 1.5, 0.0082, 0.05, lambda a: (a > -1.1) & (a < 0.8))[::-1].copy()
    eye_row = int(np.argmin(np.abs(latitude - 0.285)))
    mouth_row = int(np.argmin(np.abs(latitude + 0.54)))
    eye_line, along = _eye_line(azimuth)
    mouth_line = _mouth_line(azimuth)
    lat = latitude[:, None] + np.zeros_like(azimuth)
    for row, line, width in ((eye_row, eye_line, 0.15), (mouth_row, mouth_line, 0.12)):
        fade = np.exp(-(((latitude - latitude[row]) / width) ** 2))
        lat += fade[:, None] * (line - latitude[row])
    rows, columns = lat.shape
    vertices = [_smooth_nose(surface_point(np.broadcast_to(azimuth, lat.shape), lat)).reshape(-1, 3)]
    count = rows * columns

    corner = float(np.arctan2(MOUTH_CORNER, 0.72))
    spans = [(eye_row, (along > 0) & (along < 1) & (azimuth < 0)), (eye_row, (along > 0) & (along < 1) & (azimuth > 0))]
    spans.append((mouth_row, np.abs(azimuth) < corner))
    slits = []
    for row, inner in spans:
        first, last = int(np.flatnonzero(inner)[0]) - 1, int(np.flatnonzero(inner)[-1]) + 1
        above = row * columns + np.arange(first, last + 1)
        below = np.concatenate([above[:1], count + np.arange(len(above) - 2), above[-1:]])
        vertices.append(vertices[0][above[1:-1]])
        count += len(above) - 2
        slits.append(_Slit(row, first, last, above, below))

    faces = [_grid_faces(rows, columns, slits)]
    source = np.concatenate([np.arange(rows * columns), *[slit.above[1:-1] for slit in slits]])
    sheet = count  # vertices from here on are the inside of lids and lips
    parents, offsets = [], []
    for number, slit in enumerate(slits):
        for edge, side in ((slit.above, 1), (slit.below, -1)):
            previous = edge
            start = np.concatenate(vertices)[edge]
            for step in range(2 if number < 2 else len(LIP_ROLL)):
                if number < 2:
                    centre = EYE_CENTRE * np.array([np.sign(start[0, 0]), 1, 1], np.float32)
                    inward = centre - start
                    offset = inward / np.linalg.norm(inward, axis=1, keepdims=True) * 0.014 * (step + 1)
                else:
                    taper = np.sqrt(np.clip(1 - (start[:, :1] / MOUTH_CORNER) ** 2, 0.02, 1))
                    offset = LIP_ROLL[step] * np.concatenate([taper * 0, side * taper, np.ones_like(taper)], 1)
                ring = count + np.arange(len(edge))
                vertices.append(start + offset)
                parents.append(edge)
                offsets.append(offset)
                count += len(edge)
                faces.append(_strip(previous, ring) if side > 0 else _strip(ring, previous))
                previous = ring
    rest = np.concatenate(vertices).astype(np.float32)
    triangles = np.concatenate(faces).astype(np.int32)
    parent = np.concatenate([np.arange(sheet), *parents])

    grid_lat, grid_az = lat.reshape(-1)[source], np.broadcast_to(azimuth, lat.shape).reshape(-1)[source]
    grid_along = np.broadcast_to(along, lat.shape).reshape(-1)[source]
    size = np.linalg.norm(rest[:sheet] - CENTRE, axis=1)
    above_eye = (grid_lat - np.broadcast_to(eye_line, lat.shape).reshape(-1)[source]) * size
    above_mouth = (grid_lat - np.broadcast_to(mouth_line, lat.shape).reshape(-1)[source]) * size
    under = np.zeros(sheet, bool)  # vertices of the slits' lower sides
    under[rows * columns :] = True
    above_eye[under & (np.abs(above_eye) < 1e-6)] = -1e-5
    lid_index, lid_keys = _lids(rest, parent, sheet, grid_az, grid_lat, grid_along, above_eye, size, slits[:2])
    grid_triangles = triangles[(triangles < sheet).all(1)]
    shapes = _mouth_shapes(rest[:sheet], grid_triangles, slits[2])[:, parent]
    middle = len(slits[2].above) // 2
    return Skin(
        rest,
        triangles,
        shapes.astype(np.float32),
        lid_index,
        lid_keys,
        grid_along[parent].astype(np.float32),
        above_eye[parent].astype(np.float32),
        above_mouth[parent].astype(np.float32),
        (int(slits[2].above[middle]), int(slits[2].below[middle])),
        np.arange(len(rest)) >= sheet,
    )


def _smooth_nose(grid: Array) -> Array:
    """Even out the nose's flanks, which the directions from the centre only graze. ``grid`` is [rows, columns, 3]."""
    x, y, z = np.abs(grid[..., 0]), grid[..., 1], grid[..., 2]
    share = smoothstep(0.24, 0.16, x) * smoothstep(0.20, 0.12, y) * smoothstep(-0.37, -0.30, y) * (z > 0.7)
    for _ in range(6):
        near = np.roll(grid, 1, 0) + np.roll(grid, -1, 0) + np.roll(grid, 1, 1) + np.roll(grid, -1, 1)
        grid = grid + 0.5 * share[..., None] * (near / 4 - grid)
    return grid.astype(np.float32)


def _spaced(start: float, end: float, fine: float, coarse: float, dense) -> Array:
    """Samples from start to end whose spacing is fine where ``dense`` and coarse elsewhere, changing gradually."""
    x = np.linspace(start, end, 20001)
    blur = np.exp(-(np.linspace(-2.5, 2.5, 801) ** 2))
    share = np.convolve(np.pad(dense(x).astype(float), 400, mode="edge"), blur / blur.sum(), mode="valid")
    count = np.cumsum(share / fine + (1 - share) / coarse) * (x[1] - x[0])
    return np.interp(np.linspace(count[0], count[-1], int(count[-1])), count, x)


def _eye_line(azimuth: Array) -> tuple[Array, Array]:
    """Latitude of the closed lids' line at each azimuth, and the position along the eye (0 inner, 1 outer corner)."""
    s = np.linspace(0, 1, 101)
    x = 0.165 + 0.295 * s
    y = 0.178 + 0.026 * s - 0.030 * np.sin(np.pi * s)
    bulge = (EYE_RADIUS + 0.014) ** 2 - (x - EYE_CENTRE[0]) ** 2 - (y - EYE_CENTRE[1]) ** 2
    z = EYE_CENTRE[2] + np.sqrt(np.maximum(bulge, 0.04**2))
    angle = np.arctan2(x - CENTRE[0], z - CENTRE[2])
    line = np.arctan2(y - CENTRE[1], np.hypot(x - CENTRE[0], z - CENTRE[2]))
    a = np.abs(azimuth)
    return np.interp(a, angle, line), (a - angle[0]) / (angle[-1] - angle[0])


def _mouth_line(azimuth: Array) -> Array:
    """Latitude of the line between the lips at each azimuth."""
    x = np.linspace(0, MOUTH_CORNER, 101)
    y = -0.549 - 0.010 * np.exp(-((x / 0.05) ** 2)) + 0.023 * (x / MOUTH_CORNER) ** 3
    z = 0.95 - 0.13 * (x / MOUTH_CORNER) ** 2
    line = np.arctan2(y - CENTRE[1], np.hypot(x, z - CENTRE[2]))
    return np.interp(np.abs(azimuth), np.arctan2(x, z - CENTRE[2]), line)


def _grid_faces(rows: int, columns: int, slits: list[_Slit]) -> NDArray:
    lower = np.arange(rows * columns).reshape(rows, columns)
    upper = lower.copy()  # what the quads below a row use as their upper side
    for slit in slits:
        upper[slit.row, slit.first : slit.last + 1] = slit.below
    a, b = upper[:-1], lower[1:]
    a2, b2 = np.roll(a, -1, 1), np.roll(b, -1, 1)
    return np.concatenate([np.stack([a, b, b2], -1).reshape(-1, 3), np.stack([a, b2, a2], -1).reshape(-1, 3)])


def _strip(top: NDArray, bottom: NDArray) -> NDArray:
    first = np.stack([top[:-1], bottom[:-1], bottom[1:]], -1)
    return np.concatenate([first, np.stack([top[:-1], bottom[1:], top[1:]], -1)])


def _lids(rest, parent, sheet, azimuth, latitude, along, above, size, slits):
    """Displacements of the lids at each of LID_KEYS: vertices slide over the closed-eye surface."""
    s = np.clip(along, 0, 1)
    almond = np.sin(np.pi * s**0.88) ** 0.75
    upper = np.clip(1 - above / 0.26, 0, 1) ** 2 * 0.090 * almond * (above >= 0)
    lower = np.clip(1 + above / 0.14, 0, 1) ** 2 * 0.016 * almond * (above < 0)
    corners = np.concatenate([slit.above[[0, -1]] for slit in slits])
    upper[corners] = 0
    moved = np.flatnonzero((upper > 1e-5) | (lower > 1e-5))
    position = np.full(sheet, -1)
    position[moved] = np.arange(len(moved))
    rolled = np.flatnonzero((np.arange(len(parent)) >= sheet) & (position[parent] >= 0))
    keys = []
    for opening in LID_KEYS:
        slide = (upper - lower)[moved] * opening / size[moved]
        there = surface_point(azimuth[moved], latitude[moved] + slide)
        delta = there - rest[moved]
        follow = delta[position[parent[rolled]]]
        edge = rest[parent[rolled]] + follow  # the margin points at the eyeball wherever the edge is
        centre = EYE_CENTRE * np.stack([np.sign(edge[:, 0]), np.ones(len(edge)), np.ones(len(edge))], 1)
        depth = np.linalg.norm(rest[rolled] - rest[parent[rolled]], axis=1, keepdims=True)
        inward = (centre - edge) / np.linalg.norm(centre - edge, axis=1, keepdims=True)
        keys.append(np.concatenate([delta, edge + depth * inward - rest[rolled]]))
    return np.concatenate([moved, rolled]), np.stack(keys).astype(np.float32)


def _mouth_shapes(rest: Array, faces: NDArray, slit: _Slit) -> NDArray:
    """Displacements [4, V, 3] of MOUTH_SHAPES."""
    x, y, z = rest.T
    weight = _jaw_weights(rest, faces, slit)
    c, s = np.cos(JAW_ANGLE), np.sin(JAW_ANGLE)
    turned = np.stack([x, y * c - (z - JAW_HINGE[2]) * s + JAW_HINGE[1] * (1 - c), 0 * z], 1)
    turned[:, 2] = (y - JAW_HINGE[1]) * s + (z - JAW_HINGE[2]) * c + JAW_HINGE[2]
    jaw = weight[:, None] * (turned - rest)

    lips = np.exp(-((np.abs(x) / 0.36) ** 4) - ((y + 0.55) / 0.24) ** 2) * smoothstep(0.35, 0.7, z)
    corner = x / MOUTH_CORNER
    stretch = np.stack([0.042 * corner, 0.012 * corner**2, -0.03 * corner**2], 1) * lips[:, None]
    rounding = np.stack([-0.085 * corner, 0.0 * x, 0.065 * (1 - 0.5 * np.clip(corner**2, 0, 1))], 1) * lips[:, None]
    above = y + 0.552
    thin = np.exp(-((above / 0.06) ** 2)) * lips
    press = np.stack([0 * x, -0.28 * above * thin, -0.022 * thin], 1)
    return np.stack([jaw, stretch, rounding, press])


def _jaw_weights(rest: Array, faces: NDArray, slit: _Slit) -> NDArray:
    """How much of the jaw's turn each vertex follows: 1 at the chin, 0 above the lip, harmonic between."""
    x, y, z = rest.T
    weight = np.zeros(len(rest))
    held = (y > -0.33) | (z < 0.05)
    chin = (y < -0.80) & (z > 0.35) & ~held
    weight[chin] = 1
    held |= chin
    across = np.clip(x[slit.above] / MOUTH_CORNER, -1, 1)
    dome = np.sqrt(np.clip(1 - across**2, 0, 1)) ** 1.15
    weight[slit.above] = 0.36 * (1 - dome) - 0.05 * dome
    weight[slit.below[1:-1]] = (0.36 + (0.97 - 0.36) * dome)[1:-1]
    held[slit.above] = held[slit.below] = True

    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    link = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(rest),) * 2).tocsr()
    link = ((link + link.T) > 0).astype(float)
    laplacian = diags(np.asarray(link.sum(1)).ravel()) - link
    free = np.flatnonzero(~held)
    right = -laplacian[free][:, np.flatnonzero(held)] @ weight[held]
    weight[free] = spsolve(laplacian[free][:, free].tocsc(), right)
    return weight
