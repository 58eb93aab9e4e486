"""The 478 points of MediaPipe's FaceMesh with iris, for every frame, and what is read off them.

The model and its points' numbers are those of :mod:`data_utils.face_mesh_model`.
"""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from arguments.atomic import atomic_path
from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.errors import EGSTalkerError
from data_utils.face_mesh_model import NUM_POINTS
from data_utils.lost_frames import interpolate_lost
from data_utils.one_face import OTHERS_EVERY, Sightings, follow
from data_utils.parallel import ranges, run_jobs
from data_utils.person import of_one_person
from data_utils.timeline import spans
from data_utils.wholeness import FRAMES
from media.images import read_rgb

logger = logging.getLogger(__name__)

MAX_LOST_SHARE = 0.2  # of the frames; above it a clip is refused
WARM_UP_FRAMES = 8  # tracked and thrown away where a process begins in mid-clip, so that no seam shows

# MediaPipe's points that stand for iBUG's 68, in iBUG's order.
IBUG_68 = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # jaw
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),  # brows
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)
_INNER_LIPS = ((82, 87), (13, 14), (312, 317))  # upper, lower
_EYES = (((33, 133), (160, 144), (158, 153)), ((263, 362), (387, 373), (385, 380)))  # corners, then lids twice


@dataclass(frozen=True)
class FaceMeshTrack:
    """The mesh over a clip. In frames where no face was found the points are interpolated."""

    points: Float32[np.ndarray, "N 478 3"]  # x, y pixels of the frame; z pixels, smaller is nearer the camera
    found: Bool[np.ndarray, "N"]
    cuts: tuple[int, ...] = ()  # the frames at which a new shot begins
    remarks: tuple[str, ...] = ()  # what a user should know of the clip, a line each


def detect_in_files(
    paths: list[Path],
    *,
    ready: Iterable[range] | None = None,
    workers: int | None = None,
    done: Callable[[int], None] = lambda frames: None,
) -> FaceMeshTrack:
    """FaceMesh over the image files of consecutive frames, over processes; lost frames are interpolated.

    The person who is seen longest in the training part is followed; where somebody else is shown, the face counts as
    lost.

    Args:
        ready: those of :func:`jobs_of`, each yielded once its files are there, where they are yet to be written.
        done: called with the number of frames whenever some are finished (progress).

    Raises:
        EGSTalkerError: no face, or lost in more than a fifth of the frames, or an image is unreadable.
    """
    jobs = jobs_of(len(paths))
    sightings = Sightings.join(
        run_jobs(
            partial(_detect_range, paths),
            ready or jobs,
            total=len(jobs),
            workers=workers,
            done=lambda i: done(len(jobs[i])),
        )
    )
    return _track_of(sightings, num_train_frames(len(paths)))


def detect_in_pictures(images: Iterable[UInt8[np.ndarray, "H W 3"]]) -> FaceMeshTrack:
    """FaceMesh over RGB pictures of consecutive frames, in this process; otherwise as :func:`detect_in_files`.

    Raises:
        EGSTalkerError: no face, or lost in more than a fifth of the frames.
    """
    return _track_of(follow(images), None)


def _track_of(sightings: Sightings, fit_frames: int | None) -> FaceMeshTrack:
    found = of_one_person(sightings, fit_frames)
    _check_found(found, sightings)
    return FaceMeshTrack(
        interpolate_lost(sightings.points, found, fit_frames),
        found,
        tuple(np.flatnonzero(sightings.cuts).tolist()),
        _remarks(found, sightings),
    )


def jobs_of(num_frames: int) -> list[range]:
    """The ranges of frames that are followed at a time."""
    return ranges(num_frames, max(100, min(600, -(-num_frames // 8))))


def load_or_detect(folder: DatasetFolder, *, done: Callable[[int], None] = lambda frames: None) -> FaceMeshTrack:
    """The clip's mesh from face_mesh.npz where that is whole and newer than the frames, else detected and kept there.

    Raises:
        EGSTalkerError: no frames; or no face, or a face lost in more than a fifth of the frames.
    """
    paths = FRAMES.files(folder)
    if not paths:
        raise EGSTalkerError(f"{folder.frames} has no frames; run preprocess.sh with --task 3")
    track = load(folder)
    if track is None:
        track = detect_in_files(paths, done=done)
        save(track, folder)
        for remark in track.remarks:
            logger.warning(remark)
    return track


def load(folder: DatasetFolder) -> FaceMeshTrack | None:
    """The clip's mesh from face_mesh.npz; None where that is missing, damaged or older than the frames."""
    frames = FRAMES.files(folder)
    try:
        if folder.face_mesh.stat().st_mtime < max(frame.stat().st_mtime for frame in frames):
            return None
        with np.load(folder.face_mesh, allow_pickle=False) as arrays:
            track = FaceMeshTrack(arrays["points"], arrays["found"])
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error):
        return None
    whole = track.points.shape == (len(frames), NUM_POINTS, 3) and track.found.shape == (len(frames),)
    return track if whole and np.isfinite(track.points).all() else None


def save(track: FaceMeshTrack, folder: DatasetFolder) -> None:
    """Keep ``track`` as face_mesh.npz, and in dataset.json which frames are lost and which begin a shot."""
    with atomic_path(folder.face_mesh) as path:
        np.savez(path, points=track.points, found=track.found)
    folder.update_record(lost_frames=np.flatnonzero(~track.found).tolist(), scene_cuts=list(track.cuts))


def to_68(points: Float[np.ndarray, "N 478 3"]) -> Float[np.ndarray, "N 68 2"]:
    """iBUG's 68 landmarks.

    Args:
        points: [N, 478, 3] mesh points, pixels.

    Returns:
        [N, 68, 2] pixels, in iBUG's order.
    """
    return points[:, IBUG_68, :2]


def mouth_opening(points: Float[np.ndarray, "N 478 3"]) -> Float[np.ndarray, "N"]:
    """Gap between the inner lips over the distance of the outer eye corners.

    Measured in 3D, so that a turned head does not change it.

    Args:
        points: [N, 478, 3] mesh points, pixels.

    Returns:
        [N], 0 (shut) to about 0.6.
    """
    return np.mean([_distance(points, *pair) for pair in _INNER_LIPS], axis=0) / eye_distance(points)


def lip_gap(points: Float[np.ndarray, "N 478 3"]) -> Float[np.ndarray, "N"]:
    """:func:`mouth_opening` as the picture shows it, [N]: the gap is measured in x and y alone.

    Of lips that touch it leaves about 0.001; in 3D their uncertain depths keep them 0.01 apart.
    """
    return np.mean([_distance(points[..., :2], *pair) for pair in _INNER_LIPS], axis=0) / eye_distance(points)


def eye_distance(points: Float[np.ndarray, "N 478 3"]) -> Float[np.ndarray, "N"]:
    """Distance of the outer eye corners in 3D, [N], in the unit of ``points`` [N, 478, 3]."""
    return _distance(points, 33, 263)


def eye_openings(points: Float[np.ndarray, "N 478 3"]) -> Float[np.ndarray, "N 2"]:
    """Eye aspect ratio (Soukupova and Cech, 2016) of the right and the left eye, measured in 3D.

    Args:
        points: [N, 478, 3] mesh points, pixels.

    Returns:
        [N, 2], about 0.3 open and 0.1 shut.
    """
    ratios = [
        (_distance(points, *upper) + _distance(points, *lower)) / (2 * _distance(points, *corners))
        for corners, upper, lower in _EYES
    ]
    return np.stack(ratios, axis=-1)


def eye_opening(points: Float[np.ndarray, "N 478 3"]) -> Float[np.ndarray, "N"]:
    """Mean of both eyes' :func:`eye_openings`, [N]."""
    return eye_openings(points).mean(axis=-1)


def _distance(points: Float[np.ndarray, "N 478 D"], a: int, b: int) -> Float[np.ndarray, "N"]:
    return np.linalg.norm(points[:, a] - points[:, b], axis=-1)


def _detect_range(paths: list[Path], frames: range) -> Sightings:
    cv2.setNumThreads(1)
    first = max(0, frames.start - WARM_UP_FRAMES)
    return follow(read_rgb(paths[i]) for i in range(first, frames.stop))[frames.start - first :]


def _check_found(found: Bool[np.ndarray, "N"], sightings: Sightings) -> None:
    if not found.any():
        raise EGSTalkerError("no face in the video; use one that shows one face from the front throughout")
    if (~found).mean() > MAX_LOST_SHARE:
        someone = "the face is lost" if not sightings.found[~found].any() else "someone else or nobody is shown"
        raise EGSTalkerError(
            f"{someone} in {(~found).sum()} of {len(found)} frames ({spans(~found)}), more than "
            f"{MAX_LOST_SHARE:.0%}; cut those parts out of the video"
        )


def _remarks(found: Bool[np.ndarray, "N"], sightings: Sightings) -> tuple[str, ...]:
    strangers = sightings.found & ~found
    others = np.convolve(sightings.others, np.ones(OTHERS_EVERY))[: len(found)] > 0
    return tuple(
        remark
        for applies, remark in (
            (sightings.cuts, f"the picture cuts at {spans(sightings.cuts)}; one unbroken shot makes the best head"),
            (others, f"another face is in the picture at {spans(others)}; the person seen longest is followed"),
            (strangers, f"someone else is shown, and counts as the face being lost, at {spans(strangers)}"),
            (~found, f"face lost and interpolated in {(~found).sum()} of {len(found)} frames: {spans(~found)}"),
        )
        if applies.any()
    )
