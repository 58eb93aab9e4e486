"""Faces of known movements, for tests of what measures and drives them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from motion.expression_code import ExpressionCode
from motion.expression_measures import FACE_MESH, face_mesh_rows
from motion.face_measures import FaceMeasures
from motion.model_motion import ModelMotion

# Decimetres, on the subject's right side (FaceMesh's numbers) and on the left.
_PAIRS = {
    (33, 263): (-0.45, 0.3, 0.6),
    (133, 362): (-0.18, 0.3, 0.65),
    (234, 454): (-0.7, 0.0, 0.0),
    (61, 291): (-0.26, -0.4, 0.8),
    (55, 285): (-0.12, 0.5, 0.8),
    (107, 336): (-0.14, 0.55, 0.8),
    (70, 300): (-0.5, 0.5, 0.7),
    (105, 334): (-0.4, 0.55, 0.75),
    (82, 312): (-0.08, -0.392, 0.89),
    (87, 317): (-0.08, -0.4, 0.89),
}
_MIDDLE = {
    0: (0.0, -0.32, 0.95),
    13: (0.0, -0.39, 0.9),
    14: (0.0, -0.4, 0.9),
    17: (0.0, -0.5, 0.93),
    2: (0.0, -0.1, 1.0),
    152: (0.0, -0.8, 0.8),
}
# How far a movement of 1 shifts a landmark, x away from the middle.
MOVES: Mapping[str, Mapping[int, tuple[float, float, float]]] = {
    "gap": {
        **dict.fromkeys((14, 17, 87, 317), (0, -0.1, 0)),
        **dict.fromkeys((0, 13, 82, 312), (0, 0.01, 0)),
        152: (0, -0.08, 0),
    },
    "width": {61: (0.06, 0, 0), 291: (0.06, 0, 0)},
    "corners": {61: (0, 0.05, 0), 291: (0, 0.05, 0)},
    "forward": {0: (0, 0, 0.04), 17: (0, 0, 0.04)},
    "upper": dict.fromkeys((0, 13, 82, 312), (0, 0.01, 0)),
    "lower": dict.fromkeys((14, 17, 87, 317), (0, -0.01, 0)),
    "fullness": {0: (0, 0.01, 0), 17: (0, -0.01, 0)},
    "jaw": {152: (0, -0.05, 0)},
    "inner_brows": dict.fromkeys((55, 107, 285, 336), (0, 0.04, 0)),
    "outer_brows": dict.fromkeys((70, 105, 300, 334), (0, 0.04, 0)),
}


def resting_face() -> np.ndarray:
    """FaceMesh's 478 points, those that have no name scattered over an ellipsoid."""
    generator = np.random.default_rng(0)
    flat = generator.uniform(-0.7, 0.7, (478, 2))
    points = np.column_stack([flat, 0.8 - np.square(flat).sum(1)])
    for (right, left), (x, y, z) in _PAIRS.items():
        points[right], points[left] = (x, y, z), (-x, y, z)
    for vertex, place in _MIDDLE.items():
        points[vertex] = place
    return points


def moving_points(movements: Mapping[str, np.ndarray]) -> np.ndarray:
    """FaceMesh's 478 points of a face whose movements go as said, 0 (least) to 1 each: [N, 478, 3]."""
    length = len(next(iter(movements.values())))
    points = np.repeat(resting_face()[None], length, axis=0)
    for name, way in movements.items():
        for vertex, shift in MOVES[name].items():
            side = np.sign(points[0, vertex, 0])
            points[:, vertex] += way[:, None] * (np.array(shift) * (side, 1, 1))
    return points


def moving_face(movements: Mapping[str, np.ndarray]) -> FaceMeasures:
    """The measures of :func:`moving_points`; the gap is that of the lips' middle."""
    points = moving_points(movements)
    gap = (points[:, 13, 1] - points[:, 14, 1]) / 0.9
    rows = np.linspace(0, 477, 468).round().astype(int)
    return FaceMeasures(points[:, rows], gap, np.zeros(len(points)))


def dense_points(face: FaceMeasures) -> np.ndarray:
    """The same face as another mesh shows it, many points about each that moves, in no known order: [N, 288, 3]."""
    generator = np.random.default_rng(3)
    named = [_row(vertex) for vertex in (*(k for pair in _PAIRS for k in pair), *_MIDDLE)]
    order = generator.permutation(np.repeat(named, 12))
    return face.points[:, order] + generator.normal(0, 0.01, (len(order), 3))


def _row(vertex: int) -> int:
    return round(vertex * 467 / 477)


def lively(length: int = 400, seed: int = 1) -> dict[str, np.ndarray]:
    """All movements, smoothly, each by itself."""
    generator = np.random.default_rng(seed)
    ways = np.stack([np.convolve(generator.normal(size=length + 8), np.ones(9) / 3, "valid") for _ in MOVES])
    return dict(zip(MOVES, 0.5 + 0.2 * ways, strict=True))


def motion_of_face(face: FaceMeasures, train: int | None = None) -> ModelMotion:
    """A head's motion, learnt from a face's first ``train`` frames."""
    train = len(face) if train is None else train
    return ModelMotion.of_clip(face, np.arange(train), train, lower=8, upper=4)


def of_code(code: ExpressionCode, codes: np.ndarray) -> dict[str, np.ndarray]:
    """The faces that codes describe, measured by hand."""
    points = np.asarray(code.points(codes))
    rows = face_mesh_rows(FACE_MESH)
    left, right = (points[:, i] for i in rows.corners)
    return {
        "gap": code.gap(codes),
        "width": right[:, 0] - left[:, 0],
        "corners": (left[:, 1] + right[:, 1]) / 2,
        "forward": points[:, rows.upper_lip[0], 2],
        "inner_brows": points[:, rows.inner_brows, 1].mean(1),
        "outer_brows": points[:, rows.outer_brows, 1].mean(1),
    }
