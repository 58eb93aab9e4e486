"""Measures of a face that have names (how wide the mouth is, how high the brows), and the codes that go with them.

An expression code's numbers are principal components: nobody can say what the third one means. Here a head's clip
tells: each measure is taken of the face that its codes describe, and the codes are regressed on the measures. A measure
is what the lips' gap does not explain of it, so that an open mouth takes along what opening it moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motion.expression_code import ExpressionCode, mouth_of

RIDGE = 0.05  # of the measures' variance: those that go together share the effect
REST, WIDEST = 5, 95  # percentiles of a person's range


@dataclass(frozen=True)
class Landmarks:
    """Rows of a face's points that measures are taken between."""

    corners: tuple[int, ...]  # of the mouth
    upper_lip: tuple[int, ...]  # outer, inner
    lower_lip: tuple[int, ...]
    nose: int  # its base
    chin: int
    inner_brows: tuple[int, ...]
    outer_brows: tuple[int, ...]


FACE_MESH = Landmarks((61, 291), (0, 13), (17, 14), 2, 152, (55, 107, 285, 336), (70, 105, 300, 334))
IBUG = Landmarks((48, 54), (51, 62), (57, 66), 33, 8, (21, 22), (17, 18, 25, 26))
_FACE_MESH_VERTICES, _FACE_MESH_POINTS = 478, 468
_MIRRORED = ((33, 263), (133, 362), (61, 291), (234, 454), (105, 334))  # of FaceMesh
_CORNER = 0.25  # decimetres from the middle of a mouth to its corner, about


def landmarks_of(centre: Float[np.ndarray, "P D"]) -> Landmarks | None:
    """The landmarks among a code's points, where these are FaceMesh's or iBUG's 68; None of another mesh.

    Args:
        centre: the face at its mean, decimetres, y up.
    """
    if centre.shape == (68, 2):
        return IBUG
    if centre.shape != (_FACE_MESH_POINTS, 3):
        return None
    rows = face_mesh_rows(FACE_MESH)
    pairs = centre[[[_row(a), _row(b)] for a, b in _MIRRORED]]
    across = np.abs(pairs[:, 0] - pairs[:, 1])
    height = centre[:, 1]
    upright = height[rows.outer_brows[0]] > height[rows.nose] > height[rows.corners[0]] > height[rows.chin]
    is_mesh = bool((across[:, 1:] < 0.25 * across[:, :1]).all() and 0.6 < across[0, 0] < 1.3 and upright)
    return rows if is_mesh else None


def face_mesh_rows(landmarks: Landmarks) -> Landmarks:
    """Vertices of FaceMesh as rows of the evenly chosen points of :func:`motion.face_measures.chosen_points`."""
    corners, upper, lower, inner, outer = (
        tuple(_row(vertex) for vertex in group)
        for group in (
            landmarks.corners,
            landmarks.upper_lip,
            landmarks.lower_lip,
            landmarks.inner_brows,
            landmarks.outer_brows,
        )
    )
    return Landmarks(corners, upper, lower, _row(landmarks.nose), _row(landmarks.chin), inner, outer)


def measures_of(points: Float[np.ndarray, "N P D"], rows: Landmarks) -> dict[str, Float[np.ndarray, "N"]]:
    """Measures of faces in the head's frame, in the unit of the points (y up, z out of the face).

    jaw: how low the chin is; width: of the mouth; corners: how high they are; upper, lower: how high the upper, how low
    the lower lip is; fullness: how much red of the lips is seen; inner_brows, outer_brows: how high they are; and,
    of points in space, forward: how far the lips stand out.
    """
    left, right = (points[:, i] for i in rows.corners)
    (top, inner_top), (bottom, inner_bottom) = ([points[:, i] for i in lip] for lip in (rows.upper_lip, rows.lower_lip))
    nose = points[:, rows.nose, 1]
    measures = {
        "jaw": nose - points[:, rows.chin, 1],
        "width": np.linalg.norm(left - right, axis=1),
        "corners": (left[:, 1] + right[:, 1]) / 2 - nose,
        "upper": top[:, 1] - nose,
        "lower": nose - bottom[:, 1],
        "fullness": np.linalg.norm(top - inner_top, axis=1) + np.linalg.norm(bottom - inner_bottom, axis=1),
        "inner_brows": points[:, rows.inner_brows, 1].mean(1) - nose,
        "outer_brows": points[:, rows.outer_brows, 1].mean(1) - nose,
    }
    if points.shape[2] == 3:
        measures["forward"] = (top[:, 2] + bottom[:, 2]) / 2 - points[:, rows.nose, 2]
    return measures


def mouth_width(points: Float[np.ndarray, "N P D"], code: ExpressionCode) -> Float[np.ndarray, "N"]:
    """Width of the mouth of any mesh: between the points where its corners should be."""
    mouth = mouth_of(code.centre, code.by_gap)
    sides = [mouth[:2] + np.array([side * _CORNER, 0]) for side in (-1, 1)]
    left, right = (int(np.linalg.norm(code.centre[:, :2] - side, axis=1).argmin()) for side in sides)
    return np.linalg.norm(points[:, left] - points[:, right], axis=1)


@dataclass(frozen=True)
class PersonMeasures:
    """The range of a person's measures, and from measures to codes.

    Attributes:
        names: of M measures.
        gap: at rest (closed lips) and at the person's widest, as codes.
        low, rest, high: of each measure, less what the gap explains.
        slopes, offsets: what the gap explains of each measure: by the gap's code, and at its zero.
        by_gap: codes for a deviation of the gap; 1 for the first.
        by_measure: codes for a unit of each measure; 0 for the first.
    """

    names: tuple[str, ...]
    gap: tuple[float, float]
    low: Float[np.ndarray, "M"]
    rest: Float[np.ndarray, "M"]
    high: Float[np.ndarray, "M"]
    slopes: Float[np.ndarray, "M"]
    offsets: Float[np.ndarray, "M"]
    by_gap: Float[np.ndarray, "K"]
    by_measure: Float[np.ndarray, "M K"]
    within: Float[np.ndarray, "2 K"]
    """The least and the greatest of every code in the clip: a head has seen nothing beyond."""

    @classmethod
    def of(cls, code: ExpressionCode, measured: Float[np.ndarray, "N K"]) -> PersonMeasures:
        """Of the codes of a clip's training part."""
        points = code.points(measured)
        rows = landmarks_of(code.centre)
        measures = {"width": mouth_width(points, code)} if rows is None else measures_of(points, rows)
        values = np.stack(list(measures.values()), axis=1)
        gap = measured[:, :1] - measured[:, :1].mean()
        power = max(float(np.square(gap).mean()), 1e-12)
        slopes, by_gap = ((gap * about).mean(0) / power for about in (values, measured))
        offsets = values.mean(0) - slopes * measured[:, 0].mean()
        left = values - offsets - slopes * measured[:, :1]
        deviation = left.std(0).clip(1e-9)
        scaled, others = left / deviation, measured - measured.mean(0) - gap * by_gap
        together = scaled.T @ scaled / len(scaled) + RIDGE * np.eye(len(deviation))
        by_measure = np.linalg.solve(together, scaled.T @ others / len(scaled)) / deviation[:, None]
        by_measure[:, 0] = 0.0
        low, rest, high = np.percentile(left, (REST, 50, WIDEST), axis=0)
        closed, widest = np.percentile(measured[:, 0], (REST, WIDEST))
        return cls(
            tuple(measures),
            (float(closed), float(widest)),
            low,
            rest,
            high,
            slopes,
            offsets,
            by_gap,
            by_measure,
            np.stack([measured.min(0), measured.max(0)]),
        )

    def raised(
        self, opening: Float[np.ndarray, "N"], raises: Mapping[str, Float[np.ndarray, "N"]]
    ) -> Float[np.ndarray, "N K"]:
        """Codes of faces that go some way from rest to the ends of the person's range.

        Args:
            opening: of the lips, 0 (closed) to 1 (the widest).
            raises: of measures, -1 (the least) to 1 (the greatest); at rest unless given. Those of measures that this
                face has not are passed over.
        """
        gap = self.gap[0] + opening.clip(0, 1) * (self.gap[1] - self.gap[0])
        ways = np.stack([raises.get(name, np.zeros(len(opening))) for name in self.names], axis=1).clip(-1, 1)
        return self.codes(
            gap, self.rest + np.where(ways > 0, ways * (self.high - self.rest), ways * (self.rest - self.low))
        )

    def codes(self, gap: Float[np.ndarray, "N"], left: Float[np.ndarray, "N M"]) -> Float[np.ndarray, "N K"]:
        """Codes of faces of these measures, within what the clip shows.

        Args:
            gap: the first code.
            left: the measures, less what the gap explains.
        """
        codes = gap[:, None] * self.by_gap + left @ self.by_measure
        return codes.clip(self.within[0], self.within[1])


def _row(vertex: int) -> int:
    return round(vertex * (_FACE_MESH_POINTS - 1) / (_FACE_MESH_VERTICES - 1))
