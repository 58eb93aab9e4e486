"""The 478 points of MediaPipe's FaceMesh with iris, for every frame, and what is read off them.

Model and point numbering: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs"
(2019) and Ablavatski et al., "Real-time Pupil Tracking from Monocular Video for Digital Puppetry" (2020).
"""

from __future__ import annotations

import contextlib
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from arguments.atomic import atomic_path
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.frame_files import numbered, read_rgb
from data_utils.parallel import ranges, run_jobs
from data_utils.quiet import import_mediapipe, quiet_stderr

logger = logging.getLogger(__name__)

NUM_POINTS = 478
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

    points: np.ndarray  # [N, 478, 3] float32: x, y pixels of the frame; z pixels, smaller is nearer the camera
    found: np.ndarray  # [N] bool


class FaceMesh:
    """MediaPipe's FaceMesh with iris over consecutive frames: tracks, and detects anew where the track is lost.

    Use as a context manager; one instance serves one sequence of frames.
    """

    def __init__(self, *, max_faces: int = 1, tracking: bool = True) -> None:
        mediapipe = import_mediapipe()
        with quiet_stderr():
            self._model = mediapipe.solutions.face_mesh.FaceMesh(
                static_image_mode=not tracking, max_num_faces=max_faces, refine_landmarks=True
            )
            self._model.process(np.zeros((64, 64, 3), np.uint8))  # the graph starts, and talks, at its first image
        self._attempts = 2 if tracking else 1
        self._has_seen_a_face = False

    def __enter__(self) -> FaceMesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._model.close()

    def faces(self, image: np.ndarray) -> np.ndarray:
        """All faces of one RGB uint8 image [H, W, 3]: [F, 478, 3] float32 pixels, F possibly 0."""
        image = np.ascontiguousarray(image)
        for _ in range(self._attempts):  # where the track is lost in this frame, the second attempt detects
            with contextlib.nullcontext() if self._has_seen_a_face else quiet_stderr():
                found = self._model.process(image).multi_face_landmarks or ()
            if found:
                break
        self._has_seen_a_face |= len(found) > 0
        height, width = image.shape[:2]
        faces = [[(p.x, p.y, p.z) for p in face.landmark] for face in found]
        return np.asarray(faces, np.float32).reshape(-1, NUM_POINTS, 3) * np.array((width, height, width), np.float32)

    def detect(self, images: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The first face of each image.

        Args:
            images: RGB uint8 [H, W, 3], consecutive.

        Returns:
            points [N, 478, 3] float32 in pixels (zeros where no face is found) and found [N] bool.
        """
        per_image = [self.faces(image) for image in images]
        found = np.array([len(faces) > 0 for faces in per_image], bool)
        points = np.zeros((len(per_image), NUM_POINTS, 3), np.float32)
        for i in np.flatnonzero(found):
            points[i] = per_image[i][0]
        return points, found


def detect_in_files(
    paths: list[Path], *, workers: int | None = None, done: Callable[[int], None] = lambda frames: None
) -> FaceMeshTrack:
    """FaceMesh over the image files of consecutive frames, over processes; lost frames are interpolated.

    Args:
        done: called with the number of frames whenever some are finished (progress).

    Raises:
        EGSTalkerError: no face, or lost in more than a fifth of the frames, or an image is unreadable.
    """
    chunk = max(100, min(600, -(-len(paths) // 8)))
    jobs = ranges(len(paths), chunk)
    parts = run_jobs(partial(_detect_range, paths), jobs, workers=workers, done=lambda i: done(len(jobs[i])))
    points = np.concatenate([part[0] for part in parts])
    found = np.concatenate([part[1] for part in parts])
    _check_found(found)
    return FaceMeshTrack(interpolate_lost(points, found), found)


def load_or_detect(folder: DatasetFolder, *, done: Callable[[int], None] = lambda frames: None) -> FaceMeshTrack:
    """The clip's mesh from face_mesh.npz where that is whole and newer than the frames, else detected and kept there.

    Raises:
        EGSTalkerError: no frames; or no face, or a face lost in more than a fifth of the frames.
    """
    paths = numbered(folder.frames, ".jpg")
    if not paths:
        raise EGSTalkerError(f"{folder.frames} has no frames; run preprocess.sh with --task 3")
    track = _load(folder.face_mesh, paths)
    if track is None:
        track = detect_in_files(paths, done=done)
        save(track, folder)
        warn_of_lost(track.found)
    return track


def save(track: FaceMeshTrack, folder: DatasetFolder) -> None:
    """Keep ``track`` as face_mesh.npz, and the lost frames' numbers in dataset.json."""
    with atomic_path(folder.face_mesh) as path:
        np.savez(path, points=track.points, found=track.found)
    folder.update_record(lost_frames=np.flatnonzero(~track.found).tolist())


def interpolate_lost(points: np.ndarray, found: np.ndarray) -> np.ndarray:
    """``points`` [N, ...] with the frames that are not ``found`` [N] interpolated linearly (held at the ends)."""
    if found.all() or not found.any():
        return points
    known = np.flatnonzero(found)
    position = np.interp(np.arange(len(found)), known, np.arange(len(known)))
    before = np.floor(position).astype(int)
    after = np.minimum(before + 1, len(known) - 1)
    share = (position - before).astype(points.dtype).reshape(-1, *[1] * (points.ndim - 1))
    return points[known[before]] * (1 - share) + points[known[after]] * share


def to_68(points: np.ndarray) -> np.ndarray:
    """iBUG's 68 landmarks [N, 68, 2] in pixels from mesh points [N, 478, 3]."""
    return points[:, IBUG_68, :2]


def mouth_opening(points: np.ndarray) -> np.ndarray:
    """Gap between the inner lips over the distance of the outer eye corners, [N], 0 (shut) to about 0.6.

    Measured in 3D on ``points`` [N, 478, 3], so that a turned head does not change it.
    """
    return np.mean([_distance(points, *pair) for pair in _INNER_LIPS], axis=0) / _distance(points, 33, 263)


def eye_openings(points: np.ndarray) -> np.ndarray:
    """Eye aspect ratio (Soukupova and Cech, 2016) of the right and the left eye, [N, 2]; about 0.3 open, 0.1 shut.

    Measured in 3D on ``points`` [N, 478, 3].
    """
    ratios = [
        (_distance(points, *upper) + _distance(points, *lower)) / (2 * _distance(points, *corners))
        for corners, upper, lower in _EYES
    ]
    return np.stack(ratios, axis=-1)


def eye_opening(points: np.ndarray) -> np.ndarray:
    """Mean of both eyes' :func:`eye_openings`, [N]."""
    return eye_openings(points).mean(axis=-1)


def _distance(points: np.ndarray, a: int, b: int) -> np.ndarray:
    return np.linalg.norm(points[:, a] - points[:, b], axis=-1)


def _detect_range(paths: list[Path], frames: range) -> tuple[np.ndarray, np.ndarray]:
    cv2.setNumThreads(1)
    first = max(0, frames.start - WARM_UP_FRAMES)
    images: Iterator[np.ndarray] = (read_rgb(paths[i]) for i in range(first, frames.stop))
    with FaceMesh() as mesh:
        points, found = mesh.detect(images)
    return points[frames.start - first :], found[frames.start - first :]


def _load(file: Path, frames: list[Path]) -> FaceMeshTrack | None:
    try:
        if file.stat().st_mtime < max(frame.stat().st_mtime for frame in frames):
            return None
        with np.load(file, allow_pickle=False) as arrays:
            track = FaceMeshTrack(arrays["points"], arrays["found"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    whole = track.points.shape == (len(frames), NUM_POINTS, 3) and track.found.shape == (len(frames),)
    return track if whole and np.isfinite(track.points).all() else None


def _check_found(found: np.ndarray) -> None:
    if not found.any():
        raise EGSTalkerError("no face in the video; use one that shows one face from the front throughout")
    if (~found).mean() > MAX_LOST_SHARE:
        raise EGSTalkerError(
            f"the face is lost in {(~found).sum()} of {len(found)} frames ({_spans(found)}), more than "
            f"{MAX_LOST_SHARE:.0%}; cut those parts out of the video"
        )


def warn_of_lost(found: np.ndarray) -> None:
    """Log one line that names the frames whose points are interpolated, if there are any."""
    if not found.all():
        logger.warning("face lost and interpolated in %d of %d frames: %s", (~found).sum(), len(found), _spans(found))


def _spans(found: np.ndarray, most: int = 6) -> str:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], ~found, [0])).astype(int)))
    spans = [f"{a}-{b - 1}" if b - a > 1 else f"{a}" for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return ", ".join(spans[:most]) + (f" and {len(spans) - most} more ranges" if len(spans) > most else "")
