"""Re-enactment: the face in any video drives a head.

The driver's face is followed as a data set's is, by its landmarks alone. What moves it, as it deviates from the
driver's own mean and in the size of the person's face, is measured with the head's expression code; then each code is
brought to the person's range: its quantiles over the video become those of the person's clip. In a short video, or of
what hardly moves in it, quantiles say little, and less of that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from data_utils.action_units import STRONGEST, action_unit_45
from motion.driver import DrivenMotion
from motion.expression_measures import FACE_MESH, PersonMeasures, face_mesh_rows, landmarks_of, measures_of
from motion.face_measures import FaceMeasures, aligned, chosen_points, landmark_gap
from motion.model_motion import ModelMotion

Watch = Callable[[Iterable[np.ndarray], int], Iterable[np.ndarray]]
"""Passes pictures through and shows how many of a number have passed (a progress bar)."""

SHORTEST, LONGEST = 1.0, 900.0  # seconds
SETTLED = 500  # frames: in a video of as many, quantiles count half
STILL = 0.5  # of the person's spread: below it a code's quantiles count less
LIKENESS = 0.7
"""How much of the driver's lips and jaw is taken, beside the gap. With one newsreader driving another and all of it,
the rendered gap follows the driver's at 0.89 and the mouth's width at 0.92; with 0.7 of it at 0.92 and 0.89; with none
at 0.95 and 0.07.
"""
RANKS = np.linspace(0.005, 0.995, 17)


@dataclass(frozen=True)
class DriverFace:
    """A face followed through N frames."""

    points: Float[np.ndarray, "N 478 3"]
    """FaceMesh's, in the driver's head frame, decimetres."""
    landmarks: Float[np.ndarray, "N 68 2"]
    """iBUG's, pixels."""
    blink: Float[np.ndarray, "N"]
    """Intensity, 0..1."""
    turning: Float[np.ndarray, "N 3 3"]
    """Head to camera."""

    def __len__(self) -> int:
        return len(self.points)


def follow_driver(video: Path, watch: Watch = lambda pictures, total: pictures) -> DriverFace:
    """Follow the face that a video shows longest.

    Args:
        video: of any size and frame rate, a second to a quarter of an hour long; taken at 25 fps.
        watch: a progress bar over its frames.

    Raises:
        EGSTalkerError: it cannot be read, is too short or too long, or a face is not there or lost in more than a fifth
            of it.
    """
    from data_utils.face_mesh import detect_in_pictures, eye_openings, to_68
    from data_utils.face_tracking.mediapipe_tracker import track_head
    from media.video import probe, read_frames

    info = probe(video)
    if not SHORTEST <= info.seconds <= LONGEST:
        raise EGSTalkerError(
            f"{video} lasts {info.seconds:.1f} s; a driving video has {SHORTEST:.0f} to {LONGEST:.0f} s, so cut it"
        )
    pictures = watch(read_frames(video), int(info.seconds * FPS + 0.05))
    try:
        mesh = detect_in_pictures(pictures)
    except EGSTalkerError as error:
        raise EGSTalkerError(f"{video}: {error}") from error
    points = mesh.points.astype(np.float64)
    head = track_head(points, mesh.found, (info.width, info.height), cuts=mesh.cuts)
    blink = action_unit_45(eye_openings(points), mesh.found) / STRONGEST
    return DriverFace(head.vertices, to_68(points), blink, head.poses.rotation)


def reenact(face: DriverFace, motion: ModelMotion) -> DrivenMotion:
    """What a head does that does as another face."""
    own = motion.measured[: motion.train].double().numpy()
    code = motion.code
    gap, blink = landmark_gap(face.landmarks), face.blink.astype(np.float64)
    if landmarks_of(code.centre) is None:
        codes = _by_gap_and_width(face, gap, PersonMeasures.of(code, own))
    else:
        points = aligned(face.landmarks) if code.centre.shape[1] == 2 else face.points[:, _mesh_rows(face)]
        mean = points.mean(0)
        likened = code.centre + _size(code.centre) / _size(mean) * (points - mean)
        codes = brought_to_range(code.measure(FaceMeasures(likened, gap, blink)).astype(np.float64), own)
        codes[:, 1 : 1 + len(code.lower)] *= LIKENESS
    return DrivenMotion(torch.from_numpy(codes).float(), torch.from_numpy(blink).float())


def brought_to_range(codes: Float[np.ndarray, "N K"], own: Float[np.ndarray, "M K"]) -> Float[np.ndarray, "N K"]:
    """Codes whose quantiles become the person's, as far as their number and their spread speak for it.

    Each code goes by a curve that never falls. None goes beyond what the person's clip shows.

    Args:
        codes: of the driver, in the person's code.
        own: of the person's clip.
    """
    settled = len(codes) / (len(codes) + SETTLED)
    spread = codes.std(0) / own.std(0).clip(1e-6)
    sure = settled * np.minimum(spread / STILL, 1)
    there, here = np.quantile(codes, RANKS, axis=0), np.quantile(own, RANKS, axis=0)
    mapped = np.stack([np.interp(codes[:, k], there[:, k], here[:, k]) for k in range(codes.shape[1])], axis=1)
    return (codes + sure * (mapped - codes)).clip(own.min(0), own.max(0))


def _by_gap_and_width(
    face: DriverFace, gap: Float[np.ndarray, "N"], person: PersonMeasures
) -> Float[np.ndarray, "N K"]:
    """Codes of a mesh whose points cannot be told: they go with the mouth's opening and width."""
    width = measures_of(face.points[:, _mesh_rows(face)], face_mesh_rows(FACE_MESH))["width"]
    about = gap - gap.mean()
    width = width - about * (about @ width / max(about @ about, 1e-12))
    (closed, _, widest), (low, rest, high) = (np.percentile(values, (5, 50, 95)) for values in (gap, width))
    side = np.where(width > rest, max(high - rest, 1e-6), max(rest - low, 1e-6))
    return person.raised((gap - closed) / max(widest - closed, 1e-6), {"width": (width - rest) / side})


def _mesh_rows(face: DriverFace) -> list[int]:
    """The vertices that data sets of FaceMesh measure."""
    return chosen_points(torch.from_numpy(face.points[:1])).tolist()


def _size(points: Float[np.ndarray, "P D"]) -> float:
    return float(np.sqrt(np.square(points - points.mean(0)).sum(1).mean()))
