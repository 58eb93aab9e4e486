"""A morphable model cut down to the vertices that the 68 landmarks may lie on, and what a detector sees of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from data_utils.face_tracking.jaw_contour import JAW, JawLines, jaw_lines
from data_utils.face_tracking.morphable_model import NUM_LANDMARKS, MorphableModel
from data_utils.face_tracking.perspective import Poses, project

_NOISE = 0.012  # decimetres by which a detector misses an eye's corner
_OFFSET = 0.015  # decimetres by which a detector's landmark lies beside the model's vertex throughout a clip
_JAW_OFFSET = 0.06  # the same of jaw landmarks that are no outline


@dataclass(frozen=True)
class Detections:
    """68 landmarks over N frames."""

    pixels: Float64[np.ndarray, "N 68 2"]
    found: Bool[np.ndarray, "N"]  # where False, the pixels mean nothing
    outline: bool  # the jaw's landmarks follow the face's outline (else they are points of the skin)

    def noise(self, scale: float) -> Float64[np.ndarray, "68"]:
        """How far off each landmark is believed to be, [68] pixels, of a face with ``scale`` pixels a decimetre."""
        relative = np.ones(NUM_LANDMARKS)
        relative[:JAW] = 2.5
        relative[17:27] = 1.5  # brows
        relative[48:] = 1.2  # lips
        return np.maximum(relative * _NOISE * scale, 0.3)


@dataclass(frozen=True)
class LandmarkBasis:
    """C vertices, the landmarks' and those of the jaw's lines, as mean and components of unit variance.

    What stays the same throughout a clip is the identity and, after it, the offsets of the landmarks that have one.
    """

    mean: Float64[np.ndarray, "C 3"]  # decimetres
    lasting: Float64[np.ndarray, "L C 3"]  # L = I + 3 O
    expression: Float64[np.ndarray, "E C 3"]
    lines: JawLines
    outline: bool
    identities: int  # I

    @classmethod
    def of(cls, model: MorphableModel, outline: bool) -> LandmarkBasis:
        """The basis of a model for a detector whose jaw landmarks follow the outline, or do not."""
        lines = jaw_lines(model)
        if not outline:
            lines = JawLines(lines.vertices[:, :1])
        vertices = np.concatenate([model.landmarks[JAW:], lines.vertices.ravel()])
        spread = np.full(len(vertices), _OFFSET)
        spread[NUM_LANDMARKS - JAW :] = _JAW_OFFSET
        with_offset = np.arange(NUM_LANDMARKS - JAW if outline else len(vertices))
        offsets = np.zeros((len(with_offset), 3, len(vertices), 3))
        for axis in range(3):
            offsets[with_offset, axis, with_offset, axis] = spread[with_offset]
        identity = model.identity[:, vertices].astype(np.float64)
        return cls(
            model.mean[vertices].astype(np.float64),
            np.concatenate([identity, offsets.reshape(-1, len(vertices), 3)]),
            model.expression[:, vertices].astype(np.float64),
            lines,
            outline,
            len(identity),
        )

    def person(self, lasting: Float64[np.ndarray, "L"]) -> Float64[np.ndarray, "C 3"]:
        """The C vertices at rest [C, 3] of coefficients [I + 3 O]."""
        return self.mean + np.tensordot(lasting, self.lasting, 1)

    def choose(
        self,
        person: Float64[np.ndarray, "C 3"],
        expression: Float64[np.ndarray, "N E"],
        poses: Poses,
        focal: float,
        centre: tuple[float, float],
    ) -> Int[np.ndarray, "N 68"]:
        """Which of the C vertices each landmark lies on in N frames: [N, 68]."""
        inner = np.arange(NUM_LANDMARKS - JAW)
        start = len(inner) + np.arange(JAW) * self.lines.vertices.shape[1]
        place = np.zeros((len(poses), JAW), int)
        if self.outline:
            candidates = slice(len(inner), None)
            points = person[candidates] + np.tensordot(expression, self.expression[:, candidates], 1)
            across = project(poses.transform(points), focal, centre)[..., 0]
            place = self.lines.outermost(across.reshape(len(poses), JAW, -1))
        return np.concatenate([start + place, np.broadcast_to(inner, (len(poses), len(inner)))], axis=1)

    def points(
        self, person: Float64[np.ndarray, "C 3"], expression: Float64[np.ndarray, "N E"], which: Int[np.ndarray, "N 68"]
    ) -> Float64[np.ndarray, "N 68 3"]:
        """The landmarks in the head frame [N, 68, 3] with expressions [N, E] of a person at rest [C, 3]."""
        moved = np.einsum("ne,enpj->npj", expression, self.expression[:, which])
        return person[which] + moved
