"""What a face does in a video: where its mouth is, and how far mouth and eyes are open over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from jaxtyping import Float, UInt8

from data_utils.action_units import BLINK
from data_utils.face_mesh import eye_distance, eye_opening, lip_gap, mouth_opening, to_68
from data_utils.face_mesh_model import NUM_POINTS, FaceMesh
from data_utils.timeline import runs
from evaluation.correlation import correlation
from imaging.boxes import MOUTH

NOBODY = np.full((1, NUM_POINTS, 3), np.nan)


@dataclass
class FaceMotion:
    """What FaceMesh sees in a video, frame by frame; NaN where it finds no face or was not shown the frame."""

    mouth_points: list[Float[np.ndarray, "20 2"]] = field(default_factory=list)  # pixels
    mouth_opening: list[float] = field(default_factory=list)  # between the inner lips in 3D, in eye distances
    lip_gap: list[float] = field(default_factory=list)  # the same as the picture shows it
    eye_opening: list[float] = field(default_factory=list)  # aspect ratio
    eye_distance: list[float] = field(default_factory=list)  # between the outer corners, pixels
    skipped: int = 0  # frames that were not shown

    @property
    def frames_without_face(self) -> int:
        """How many of the frames that were shown have no face."""
        return int(np.isnan(self.mouth_opening).sum()) - self.skipped


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
        self._append(face if len(face) else NOBODY)

    def skip(self, frames: int) -> None:
        """Leave out the next ``frames``: nothing is known of them, and time goes on."""
        for _ in range(frames):
            self._append(NOBODY)
        self.motion.skipped += frames

    def _append(self, face: Float[np.ndarray, "1 478 3"]) -> None:
        self.motion.mouth_points.append(to_68(face)[0, MOUTH])
        self.motion.mouth_opening.append(float(mouth_opening(face)[0]))
        self.motion.lip_gap.append(float(lip_gap(face)[0]))
        self.motion.eye_opening.append(float(eye_opening(face)[0]))
        self.motion.eye_distance.append(float(eye_distance(face)[0]))


def watch(frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> FaceMotion:
    """The face's motion in a whole video."""
    with FaceWatcher() as watcher:
        for frame in frames:
            watcher.see(frame)
    return watcher.motion


def landmark_distance(render: FaceMotion, truth: FaceMotion) -> float | None:
    """LMD: mean distance in pixels of the 20 mouth landmarks, over the frames where both videos show a face.

    As in the lip-sync literature (Chen, Maddox, Duan, Xu 2019) but without removing the pose: a mouth that is
    well shaped and in the wrong place is wrong here.

    Args:
        render, truth: of two videos of the same N frames, of one size.

    Returns:
        Pixels; None where no frame shows both faces.
    """
    return _mean(_mouth_distances(render, truth))


def landmark_distance_relative(render: FaceMotion, truth: FaceMotion) -> float | None:
    """:func:`landmark_distance` as a share of the distance of the true face's outer eye corners.

    Each frame's distance over its own face's, so that it does not grow with the picture or the face in it.

    Args:
        render, truth: of two videos of the same N frames, of one size.

    Returns:
        A share, 0 or more; None where no frame shows both faces.
    """
    return _mean(_mouth_distances(render, truth) / np.asarray(truth.eye_distance))


def blink_correlation(render: FaceMotion, truth: FaceMotion) -> float | None:
    """Pearson's correlation of the two eye openings over time; None where it is undefined.

    A head is driven with the blinks of the frames it is scored on (AU45 of ``au.csv``): this says how well it follows
    the signal that it was given, not whether it would blink by itself at the right times.
    """
    return correlation(render.eye_opening, truth.eye_opening)


def blink_depth(render: FaceMotion, truth: FaceMotion) -> float | None:
    """How far the eyes close in the blinks of the true video, as a share of how far they truly do; 1 is right.

    A blink is where the true eyes are less than ``BLINK`` of their median open. Each video's opening is compared with
    its own median, in a blink's frames and one on either side. A correlation does not tell: eyes that close half way
    at the right times have a perfect one.

    Args:
        render, truth: of two videos of the same N frames.

    Returns:
        The mean over the blinks; None where there is none, or none that both videos show.
    """
    rendered, true = np.asarray(render.eye_opening), np.asarray(truth.eye_opening)
    seen = np.isfinite(rendered) & np.isfinite(true)
    if not seen.any():
        return None
    closing, truly = (np.where(seen, np.median(series[seen]) - series, 0.0) for series in (rendered, true))
    depths = [
        closing[max(begin - 1, 0) : end + 1].max() / truly[begin:end].max()
        for begin, end in runs((true < BLINK * np.median(true[seen])) & seen)
    ]
    return float(np.mean(depths)) if depths else None


def _mouth_distances(render: FaceMotion, truth: FaceMotion) -> Float[np.ndarray, "N"]:
    """Mean distance of the mouth landmarks in each frame, pixels; NaN where one of the faces is missing."""
    offsets = np.asarray(render.mouth_points) - np.asarray(truth.mouth_points)
    return np.linalg.norm(offsets.reshape(-1, MOUTH.stop - MOUTH.start, 2), axis=-1).mean(-1)


def _mean(values: Float[np.ndarray, "N"]) -> float | None:
    known = np.isfinite(values)
    return float(values[known].mean()) if known.any() else None
