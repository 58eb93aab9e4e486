"""The skin's colours, one per vertex of a mesh finer than the picture: complexion, lips, brows, lids, freckles."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sample.head import Skin
from sample.looks import PLAIN, Looks
from sample.parts import blend, hair_thickness, linear, noise
from sample.shape import MOUTH_CORNER, Array, occlusion, smoothstep


def paint_skin(skin: Skin, normals: Array, seed: int = 5, looks: Looks = PLAIN) -> tuple[Array, Array, Array]:
    """Return albedo [V, 3] (linear), occlusion [V] (0..1) and gloss [V, 3] (strength, exponent, rim) of the skin."""
    hair_tint = looks.hair_tint / looks.skin_tint  # all is tinted as skin in the end
    p = skin.vertices
    x, y, z = p.T
    side = np.abs(x)
    front = smoothstep(0.3, 0.6, z)
    colour = np.tile(linear(232, 176, 150), (len(p), 1))
    flush = np.exp(-(((side - 0.36) / 0.16) ** 2) - ((y + 0.16) / 0.16) ** 2) * 0.55
    flush += np.exp(-((side / 0.12) ** 2) - ((y + 0.24) / 0.12) ** 2) * 0.45 * front
    flush += np.exp(-((side / 0.14) ** 2) - ((y + 0.9) / 0.1) ** 2) * 0.25 * front
    colour = blend(colour, linear(214, 122, 104), flush)
    colour = blend(colour, linear(240, 196, 160), 0.4 * smoothstep(0.45, 0.75, y))
    socket = np.exp(-(((side - 0.31) / 0.2) ** 2) - ((y - 0.17) / 0.14) ** 2) * front
    colour = blend(colour, linear(196, 128, 116), 0.38 * socket)
    mottle = 0.035 * noise(p * 5, seed) + 0.04 * noise(p * 14, seed + 1) + 0.045 * noise(p * 38, seed + 2)
    colour *= (1 + mottle)[:, None]
    colour = blend(colour, linear(205, 120, 100), 0.16 + 0.3 * noise(p * 4, seed + 3))
    colour = _freckles(colour, p, seed)
    colour = _brows(colour, p, seed, hair_tint)
    colour, lip = _lips(colour, skin, seed)
    colour = _lids(colour, skin)
    hollow = np.exp(-(((side - 0.058) / 0.036) ** 2) - ((y + 0.315) / 0.034) ** 2 - ((z - 1.01) / 0.06) ** 2)
    colour = blend(colour, linear(60, 26, 22), 1.5 * hollow)
    roots = smoothstep(-0.05, 0.05, hair_thickness(p) + 0.03 * noise(p * [20, 6, 6], seed + 4))
    if looks.hair != "bald":
        colour = blend(colour, linear(88, 56, 38) * hair_tint, 0.85 * roots * (z > -2))
    if looks.beard:
        grown = beard(skin)
        strands = noise(np.stack([x * 30, y * 9, z * 9], 1), seed + 7)
        hairs = linear(74, 46, 30) * hair_tint * np.exp(0.5 * strands)[:, None]
        colour = colour + (hairs - colour) * (0.92 * grown)[:, None]
    shade = np.clip(occlusion(p, normals), 0.08, 1).astype(np.float32)
    shade[skin.roll] = 0.45
    gloss = np.zeros((len(p), 3), np.float32)
    gloss[:] = (0.07, 16.0, 0.035)
    nose = np.exp(-((side / 0.08) ** 2) - ((y + 0.18) / 0.12) ** 2) * front
    gloss[:, 0] += 0.04 * nose + 0.10 * lip
    gloss[:, 1] += 22 * lip
    return np.clip(colour * looks.skin_tint, 0.004, 1).astype(np.float32), shade, gloss


def beard(skin: Skin) -> Array:
    """Where a full beard grows, 0..1 for each vertex of the skin [V]: jaw, chin and upper lip, not the lips."""
    x, y, z = skin.vertices.T
    side = np.abs(x)
    ragged = 0.03 * noise(skin.vertices * 14, 71)
    top = np.where(side < 0.30, -0.36, -0.36 + 0.9 * (side - 0.30)) + ragged  # rises from the lip's corner to the ear
    below = smoothstep(0.0, -0.07, y - np.minimum(top, 0.05)) * smoothstep(-0.10, 0.10, z) * smoothstep(-1.12, -1.0, y)
    across = np.clip(side / (1.12 * MOUTH_CORNER), 0, 1)
    lips = 0.115 * np.sqrt(np.clip(1 - across**2.2, 0, 1)) + 0.006
    bare = smoothstep(1.15, 0.95, np.abs(skin.above_mouth) / lips) * (side < 1.12 * MOUTH_CORNER) * (z > 0.5)
    return (below * (1 - bare) * ~skin.roll).astype(np.float32)


def _freckles(colour: Array, p: Array, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    spots = np.concatenate(
        [
            np.stack([rng.normal(0, 0.28, 80), rng.normal(-0.06, 0.11, 80), rng.uniform(0.007, 0.013, 80)], 1),
            np.stack([rng.uniform(-0.6, 0.6, 60), rng.uniform(-0.95, 0.85, 60), rng.uniform(0.007, 0.013, 60)], 1),
        ]
    )
    moles = np.array(
        [[-0.30, -0.47, 0.020], [0.43, -0.22, 0.016], [0.16, 0.66, 0.018], [-0.46, 0.52, 0.016], [0.22, -0.80, 0.017]]
    )
    ahead = np.flatnonzero(p[:, 2] > 0.2)
    tree, nearby = cKDTree(p[ahead, :2]), cKDTree(p)
    for mark, colours in ((spots, (150, 84, 58, 0.34)), (moles, (84, 48, 38, 0.85))):
        centres = p[ahead[tree.query(mark[:, :2])[1]]]
        for centre, size in zip(centres, mark[:, 2], strict=True):
            touched = np.array(nearby.query_ball_point(centre, 2.5 * size))
            near = np.exp(-((np.sum((p[touched] - centre) ** 2, 1) / size**2) ** 1.5))
            colour[touched] = blend(colour[touched], linear(*colours[:3]), colours[3] * near)
    return colour


def _brows(colour: Array, p: Array, seed: int, tint: Array) -> Array:
    x, y, z = p.T
    side = np.abs(x)
    s = (side - 0.11) / 0.42
    arc = 0.410 + 0.056 * np.sin(np.clip(s, 0, 1) * 2.5) + 0.012 * (x > 0)
    thick = 0.042 * (1 - 0.55 * np.clip(s, 0, 1) ** 2)
    hairs = noise(np.stack([side * 40 - y * 30, y * 12 + side * 4, 3 * np.sign(x)], 1), seed + 5)
    inside = 1 - ((y - arc) / (thick * (1 + 0.25 * hairs))) ** 2
    cover = smoothstep(0.0, 0.7, inside) * smoothstep(-0.06, 0.10, s) * smoothstep(1.06, 0.85, s) * (z > 0.3)
    return blend(colour, linear(58, 36, 25) * tint, cover * (0.86 + 0.14 * hairs))


def _lips(colour: Array, skin: Skin, seed: int) -> tuple[Array, Array]:
    p = skin.vertices
    across = np.clip(np.abs(p[:, 0]) / MOUTH_CORNER, 0, 1)
    reach = np.sqrt(np.clip(1 - across**2.2, 0, 1))
    upper = 0.083 * reach * (1 - 0.16 * np.exp(-((across / 0.12) ** 2))) + 0.004
    lower = 0.105 * reach**0.9 + 0.004
    distance = skin.above_mouth
    edge = np.where(distance > 0, distance / upper, -distance / lower)
    lip = smoothstep(1.12, 0.90, edge) * (p[:, 2] > 0.5) * (np.abs(p[:, 0]) < MOUTH_CORNER + 0.004)
    lip = np.where(skin.roll & (p[:, 1] < -0.3), 1.0, lip)
    creases = noise(np.stack([p[:, 0] * 34, p[:, 1] * 4, p[:, 2]], 1), seed + 6)
    tone = np.where((distance > 0)[:, None], linear(176, 84, 82), linear(198, 98, 94)) * (1 + 0.12 * creases)[:, None]
    colour = colour + (tone - colour) * (0.88 * lip)[:, None]
    inner = np.exp(-((distance / 0.016) ** 2)) * (np.abs(p[:, 0]) < MOUTH_CORNER + 0.01) * (p[:, 2] > 0.5)
    return blend(colour, linear(104, 38, 40), 0.75 * inner * (p[:, 1] < -0.4)), lip


def _lids(colour: Array, skin: Skin) -> Array:
    s, d, ahead = skin.eye_along, skin.above_eye, skin.vertices[:, 2] > 0.3
    here = smoothstep(-0.03, 0.05, s) * smoothstep(1.1, 1.0, s) * ahead
    crease = np.exp(-(((d - 0.150) / 0.014) ** 2)) * here * np.sin(3.1415 * np.clip(s, 0, 1)) ** 0.3
    colour = blend(colour, linear(120, 70, 60), 0.55 * crease)
    under = np.exp(-(((d + 0.085) / 0.02) ** 2)) * here
    colour = blend(colour, linear(170, 104, 92), 0.25 * under)
    liner = smoothstep(0.020, 0.010, d) * (d >= 0) * smoothstep(0.0, 0.3, s) * here
    colour = blend(colour, linear(38, 24, 20), 0.92 * liner)
    lower = np.exp(-((d / 0.012) ** 2)) * (d < 0) * smoothstep(0.2, 0.6, s) * here
    colour = blend(colour, linear(90, 54, 46), 0.6 * lower)
    corner = np.exp(-(((s + 0.01) / 0.05) ** 2) - (d / 0.022) ** 2) * ahead
    return blend(colour, linear(196, 100, 96), 0.7 * corner)
