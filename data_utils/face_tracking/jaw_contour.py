"""Which vertices the 17 jaw landmarks lie on: the face's outline, which is another line of the mesh in every pose.

Zhu et al., "High-Fidelity Pose and Expression Normalization for Face Recognition in the Wild" (CVPR 2015), section 3.2:
on each of some horizontal lines over the cheek the landmark marches to the vertex that is outermost in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from data_utils.face_tracking.morphable_model import MorphableModel

JAW = 17
_CHIN = (7, 8, 9)  # landmarks whose vertex hardly changes with the pose
_BAND = 0.02  # decimetres: half the height of a line
_LONGEST = 24  # vertices of a line


@dataclass(frozen=True)
class JawLines:
    """For each of the 17 landmarks L vertices from which it is chosen; the shorter lines repeat vertices."""

    vertices: Int[np.ndarray, "17 L"]

    def outermost(self, across: Float64[np.ndarray, "N 17 L"]) -> Int[np.ndarray, "N 17"]:
        """The place in its line [N, 17] of each landmark's vertex, of their pixel columns ``across`` [N, 17, L]."""
        place = np.concatenate([across[:, :8].argmin(-1), np.zeros((len(across), 1), int), across[:, 9:].argmax(-1)], 1)
        place[:, list(_CHIN)] = 0
        return place


def jaw_lines(model: MorphableModel) -> JawLines:
    """The lines of a model: from each jaw landmark's own vertex over its side of the face, at its height."""
    lines = []
    for landmark in model.landmarks[:JAW]:
        place = model.mean[landmark]
        beside = (np.abs(model.mean[:, 1] - place[1]) < _BAND) & (
            model.mean[:, 0] * np.sign(place[0]) > 0.25 * abs(place[0])
        )
        line = np.flatnonzero(beside & (np.arange(len(model.mean)) != landmark))
        line = line[np.argsort(model.mean[line, 2])]
        if len(line) >= _LONGEST:
            line = line[np.linspace(0, len(line) - 1, _LONGEST - 1).round().astype(int)]
        lines.append(np.resize(np.concatenate([[landmark], line]), _LONGEST))
    return JawLines(np.stack(lines).astype(np.int64))
