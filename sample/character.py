"""The figure as one mesh: puts the parts together and poses them for one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sample.head import JAW_ANGLE, LID_KEYS, build_skin
from sample.long_hair import braid, loose_hair
from sample.looks import PLAIN, Looks
from sample.parts import (
    HEAD,
    NECK,
    Part,
    body,
    ear,
    eyeball,
    grid_faces,
    hair,
    linear,
    mouth_cavity,
    nape,
    noise,
    teeth,
)
from sample.renderer import place, vertex_normals
from sample.shape import EYE_CENTRE, JAW_HINGE, Array
from sample.texture import beard, paint_skin
from sample.worn import earrings, glasses, knitted_hat, scarf


@dataclass(frozen=True)
class Expression:
    """What the face does in one frame."""

    eye_open: float = 1.0  # 0..1
    jaw: float = 0.0  # 0..1, the opening between the lips as a share of the widest
    wide: float = 0.0  # corners of the mouth outwards
    round: float = 0.0  # corners inwards, lips forward
    press: float = 0.0  # lips together
    gaze: tuple[float, float] = (0.0, 0.0)  # rad: to the subject's left, up; in the head frame


SHORTER = 0.92  # the parts are modelled with a long face, which this shortens below the eyes
BELOW = 0.06


def shortened(points: Array) -> Array:
    """Modelled points [..., 3] at the figure's proportions."""
    out = np.array(points, np.float32)
    out[..., 1] = np.where(out[..., 1] < BELOW, BELOW + (out[..., 1] - BELOW) * SHORTER, out[..., 1])
    return out


class Character:
    """The whole mesh with its colours. ``pose`` bends it for one frame."""

    def __init__(self, looks: Looks = PLAIN, behind: bool = False) -> None:
        """Build the figure; ``behind``: with the back of the neck, for one that turns far."""
        raw = build_skin()
        self.skin = replace(
            raw, vertices=shortened(raw.vertices), shapes=raw.shapes * np.array([1, SHORTER, 1], np.float32)
        )
        self._lashes = _lash_edges(self.skin)
        self.face: NDArray[np.intp] = np.flatnonzero((self.skin.vertices[:, 2] > 0.45) & ~self.skin.roll)[::7]
        normals = vertex_normals(raw.vertices, raw.faces)
        albedo, shade, gloss = paint_skin(raw, normals, looks=looks)
        if looks.beard:
            length = 0.045 + 0.012 * noise(raw.vertices * [34, 12, 12], 72)
            grown = raw.vertices + (length * beard(raw))[:, None] * normals
            self.skin = replace(self.skin, vertices=shortened(grown))
        whole_parts = dressed(looks, behind)
        parts = [*whole_parts, *(extra for part in whole_parts for extra in part.extra)]
        strips = sum(2 * len(edge) for edge in self._lashes)
        own = len(self.skin.vertices)
        lash_faces, start = [], own
        for edge in self._lashes:
            sheet = grid_faces(2, len(edge)) + start
            lash_faces += [sheet, sheet[:, ::-1]]
            start += 2 * len(edge)
        self._soft = own + strips  # vertices that move within the head
        faces = [self.skin.faces, *lash_faces]
        columns: dict[str, list] = {
            "vertices": [np.zeros((self._soft, 3))],
            "albedo": [albedo, np.tile(linear(26, 17, 14), (strips, 1))],
            "shade": [shade, np.full(strips, 0.5)],
            "gloss": [gloss, np.tile([0, 1, 0], (strips, 1))],
            "label": [np.full(self._soft, HEAD)],
            "head": [np.ones(self._soft)],
            "normals": [np.zeros((self._soft, 3))],
        }
        self._jaw: list[slice] = []
        self._eyes: list[tuple[int, slice]] = []
        count = self._soft
        for part in parts:
            size = len(part.vertices)
            span = slice(count, count + size)
            if part.follows_jaw:
                self._jaw.append(span)
            if part.eye:
                self._eyes.append((part.eye, span))
            faces.append(part.faces + count)
            columns["vertices"].append(shortened(part.vertices))
            columns["albedo"].append(part.albedo)
            columns["shade"].append(np.broadcast_to(part.occlusion, size))
            columns["gloss"].append(np.tile(part.gloss, (size, 1)))
            columns["label"].append(np.broadcast_to(part.label, size))
            columns["head"].append(np.broadcast_to(part.follows_head, size))
            columns["normals"].append(vertex_normals(shortened(part.vertices), part.faces))
            count += size
        whole = {name: np.concatenate(arrays) for name, arrays in columns.items()}
        self.faces: NDArray[np.int32] = np.concatenate(faces).astype(np.int32)
        self.albedo: Array = whole["albedo"].astype(np.float32)
        self.occlusion: Array = whole["shade"].astype(np.float32)
        self.gloss: Array = whole["gloss"].astype(np.float32)
        self.labels: NDArray[np.uint8] = whole["label"].astype(np.uint8)
        self._rest: Array = whole["vertices"].astype(np.float32)
        self._normals: Array = whole["normals"].astype(np.float32)
        self._with_head: Array = whole["head"].astype(np.float32)

    def shape(self, expression: Expression) -> tuple[Array, Array]:
        """Vertices and normals [V, 3] in the head frame for an expression, the body as if the head stood straight."""
        e, skin = expression, self.skin
        own = len(skin.vertices)
        vertices, normals = self._rest.copy(), self._normals.copy()
        amounts = np.array([e.jaw, e.wide, e.round, e.press], np.float32)
        face = skin.vertices + np.tensordot(amounts, skin.shapes, 1)
        key = float(np.clip(e.eye_open, 0, 1)) * (len(LID_KEYS) - 1)
        low = min(int(key), len(LID_KEYS) - 2)
        lid = skin.lid_keys[low] + (key - low) * (skin.lid_keys[low + 1] - skin.lid_keys[low])
        face[skin.lid_index] += lid.astype(np.float32)
        vertices[:own] = face
        normals[:own] = vertex_normals(face, skin.faces)
        start = own
        for edge in self._lashes:
            root = face[edge]
            away = root - EYE_CENTRE * np.array([np.sign(root[0, 0]), 1, 1], np.float32)
            away /= np.linalg.norm(away, axis=1, keepdims=True)
            length = 0.034 * np.sin(np.pi * np.linspace(0.12, 0.93, len(edge)))[:, None]
            if root[0, 0] > root[-1, 0]:
                length = length[::-1]
            vertices[start : start + 2 * len(edge)] = np.concatenate([root + length * away, root + 0.002 * away])
            start += 2 * len(edge)
        normals[own:start] = (0, 0, 1)
        turn = rotation_x(JAW_ANGLE * max(e.jaw, 0))
        for span in self._jaw:
            vertices[span] = (vertices[span] - JAW_HINGE) @ turn.T + JAW_HINGE
            normals[span] = normals[span] @ turn.T
        look = rotation_y(e.gaze[0]) @ rotation_x(-e.gaze[1])
        for side, span in self._eyes:
            centre = EYE_CENTRE * np.array([side, 1, 1], np.float32)
            vertices[span] = (vertices[span] - centre) @ look.T + centre
            normals[span] = normals[span] @ look.T
        return vertices, normals

    def pose(self, expression: Expression, rotation: Array, translation: Array, stand: Array) -> tuple[Array, Array]:
        """Vertices and normals [V, 3] in the camera frame.

        rotation [3, 3] and translation [3] take the head frame to the camera's; stand [3] is where the torso puts the
        head's origin when the head is straight.
        """
        vertices, normals = self.shape(expression)
        place(vertices, normals, self._with_head, *(a.astype(np.float32) for a in (rotation, translation, stand)))
        return vertices, normals

    def lip_gap(self, expression: Expression) -> float:
        """Distance (dm) between the middles of the inner lips."""
        amounts = np.array([expression.jaw, expression.wide, expression.round, expression.press], np.float32)
        upper, lower = (
            self.skin.vertices[v] + np.tensordot(amounts, self.skin.shapes[:, v], 1) for v in self.skin.lip_edges
        )
        return float(np.linalg.norm(upper - lower))


def dressed(looks: Looks, behind: bool) -> list[Part]:
    """The parts of a figure but its skin, with hair and what it wears."""
    bare = [ear(-1), ear(1), *([nape()] if behind else [])]
    grown = [] if looks.hair == "bald" else [hair()]
    parts = [eyeball(-1), eyeball(1), teeth(False), teeth(True), mouth_cavity()]
    parts += [replace(part, albedo=part.albedo * looks.skin_tint) for part in bare]
    parts += [replace(part, albedo=np.clip(part.albedo * looks.hair_tint, 0.003, 1)) for part in grown]
    torso = body()
    tint = np.where(np.equal(torso.label, NECK)[:, None], looks.skin_tint, 1)
    parts.append(replace(torso, albedo=torso.albedo * tint))
    if looks.hair == "long":
        parts.append(loose_hair(looks.hair_tint))
    elif looks.hair == "braids":
        parts += [braid(-1, looks.hair_tint), braid(1, looks.hair_tint)]
    worn = {"glasses": glasses, "hat": knitted_hat, "earrings": earrings, "scarf": scarf}
    return parts + [make() for name, make in worn.items() if getattr(looks, name)]


def rotation_x(angle: float) -> Array:
    """Right-handed rotation about x by an angle in rad."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)


def rotation_y(angle: float) -> Array:
    """Right-handed rotation about y by an angle in rad."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def rotation_z(angle: float) -> Array:
    """Right-handed rotation about z by an angle in rad."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


def _lash_edges(skin) -> list[NDArray]:
    """Vertices along the edge of each upper lid, from left to right."""
    on_edge = (np.abs(skin.above_eye) < 1e-6) & (skin.eye_along > 0.08) & (skin.eye_along < 1.0) & ~skin.roll
    on_edge &= skin.vertices[:, 2] > 0.3
    edges = []
    for side in (-1, 1):
        mine = np.flatnonzero(on_edge & (np.sign(skin.vertices[:, 0]) == side))
        edges.append(mine[np.argsort(skin.vertices[mine, 0])])
    return edges
