"""Where the head of a rendered film stands, against the film's truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from benchmarks.track_accuracy import OFF
from data_utils.face_mesh_model import FaceMesh
from evaluation.landmarks import NOBODY

STEADY_POINTS = (33, 133, 263, 362, 168, 6, 1)  # of FaceMesh: corners of the eyes, bridge and tip of the nose


@dataclass(frozen=True)
class FilmAccuracy:
    """Of the frames that are held out of training."""

    head_off: float | None  # share of the frames whose eyes and nose are off by more than 3 px


def film_accuracy(
    renders: Iterable[UInt8[np.ndarray, "H W 3"]], truths: Iterable[UInt8[np.ndarray, "H W 3"]]
) -> FilmAccuracy:
    """Look at rendered frames, and at as many true ones, as FaceMesh does."""
    made, true = _faces(renders), _faces(truths)
    both = np.isfinite(made[:, 0, 0] + true[:, 0, 0])
    away = np.linalg.norm((made - true)[:, list(STEADY_POINTS), :2], axis=-1).mean(1)
    return FilmAccuracy(float((away[both] > OFF).mean()) if both.any() else None)


def _faces(frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> Float[np.ndarray, "F 478 3"]:
    """FaceMesh's landmarks in pixels; NaN where it finds no face."""
    with FaceMesh() as mesh:
        found = [mesh.faces(frame)[:1] for frame in frames]
    return np.concatenate([face if len(face) else NOBODY for face in found]).astype(np.float64)
