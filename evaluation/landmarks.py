"""Does the face move as it should: mouth landmark distance, mouth and eye opening over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from jaxtyping import Float, UInt8

from data_utils.face_mesh import eye_opening, mouth_opening, to_68
from data_utils.face_mesh_model import NUM_POINTS, FaceMesh
from evaluation.correlation import correlation
from imaging.boxes import MOUTH


@dataclass
class FaceMotion:
    """What FaceMesh sees in a video, frame by frame; NaN where it finds no face."""

    mouth_points: list[Float[np.ndarray, "20 2"]] = field(default_factory=list)  # pixels
    mouth_opening: list[float] = field(default_factory=list)
    eye_opening: list[float] = field(default_factory=list)

    @property
    def frames_without_face(self) -> int:
        return int(np.isnan(self.mouth_opening).sum())


class FaceWatcher:
    """Measures :class:`FaceMotion` of one video whose frames are shown to it in order. A context manager."""

    def __init__(self) -> None:
        self.motion = FaceMotion()
        self._mesh = FaceMesh()

    def __enter__(self) -> FaceWatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mesh.__exit__(kind, error, trace)

    def see(self, frame: UInt8[np.ndarray, "H W 3"]) -> None:
        """Measure the next frame (RGB)."""
        face = self._mesh.faces(frame)[:1]
        if len(face) == 0:
            face = np.full((1, NUM_POINTS, 3), np.nan)
        self.motion.mouth_points.append(to_68(face)[0, MOUTH])
        self.motion.mouth_opening.append(float(mouth_opening(face)[0]))
        self.motion.eye_opening.append(float(eye_opening(face)[0]))


def watch(frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> FaceMotion:
    """The face's motion in a whole video."""
    with FaceWatcher() as watcher:
        for frame in frames:
            watcher.see(frame)
    return watcher.motion


def landmark_distance(render: FaceMotion, truth: FaceMotion) -> float | None:
    """LMD: mean distance in pixels of the 20 mouth landmarks, over the frames where both videos show a face.

    As in the lip-sync literature (Chen, Maddox, Duan, Xu 2019) but without removing the pose: a mouth that is
    well shaped and in the wrong place is wrong here. None where no frame shows both faces.
    """
    offsets = np.asarray(render.mouth_points) - np.asarray(truth.mouth_points)
    distances = np.linalg.norm(offsets.reshape(-1, MOUTH.stop - MOUTH.start, 2), axis=-1).mean(-1)
    known = np.isfinite(distances)
    return float(distances[known].mean()) if known.any() else None


def mouth_correlation(render: FaceMotion, truth: FaceMotion) -> float | None:
    """Pearson's correlation of the two mouth openings over time; None where it is undefined."""
    return correlation(render.mouth_opening, truth.mouth_opening)


def blink_correlation(render: FaceMotion, truth: FaceMotion) -> float | None:
    """Pearson's correlation of the two eye openings over time; None where it is undefined."""
    return correlation(render.eye_opening, truth.eye_opening)
