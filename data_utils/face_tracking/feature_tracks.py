"""Points of the skin followed through the clip with sub-pixel precision, where FaceMesh's landmarks jitter by a pixel.

Corners (Shi and Tomasi, "Good Features to Track", 1994) are picked on the rigid part of the face in a few reference
frames of different pose and found again in other frames, always from the reference and never from frame to frame:
nothing drifts. Views of like pose share many points; what is said of the angle between far views rests on points that
both show, at another slant.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64

from data_utils.face_tracking import face_topology, rotations
from data_utils.face_tracking.face_surface import depths_at, rigid_faces, vertex_normals
from data_utils.face_tracking.perspective import Poses, project
from data_utils.face_tracking.skin_patches import Sight, Skin, local_contrast, match, match_warped
from data_utils.lost_frames import frames_to_fit
from data_utils.parallel import in_threads
from media.images import read_grey

MAX_REFERENCES = 16
FEATURES_PER_REFERENCE = 90
REFERENCES_PER_FRAME = 2  # of like pose,
FAR_REFERENCES_PER_FRAME = 2  # and of other poses
_SPACING = 0.08  # rad between the poses of references
_REACH = 0.35  # rad from a reference beyond which its features look too different,
_FAR_REACH = 0.85  # and beyond which they are not seen, however they are drawn
_WINDOW = 0.08  # decimetres: side of the patch that is matched
_APART = 0.05  # decimetres between features
_STRAY = 0.12  # decimetres: a match farther from where a pose by landmarks expects it is a mismatch;
_STRAY_OF_KNOWN = 0.06  # by a pose that features led to


@dataclass(frozen=True)
class FeatureTracks:
    """M skin points over N frames."""

    points: Float64[np.ndarray, "M 3"]  # decimetres: where the first poses and shape put them in the head frame
    pixels: Float32[np.ndarray, "N M 2"]
    seen: Bool[np.ndarray, "N M"]


def track_features(
    frames: list[Path],
    poses: Poses,
    usable: Bool[np.ndarray, "N"],
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
    fit_frames: int | None = None,
    known: bool = False,
) -> FeatureTracks:
    """Follow skin points through all frames.

    Args:
        frames: N image files.
        poses: N first poses, good to a few pixels; or, if ``known``, to one or two.
        usable: [N] frames where a face is seen.
        shape: [478, 3] head frame.
        focal: pixels.
        centre: principal point, pixels.
        fit_frames: the references are among the first so many frames; among all unless given.
        known: matches must be nearer to where poses expect them, and are looked for in references of other poses, too.

    Raises:
        EGSTalkerError: an image is unreadable.
    """
    candidates = frames_to_fit(usable, fit_frames)
    scale = focal / float(np.median(-poses.translation[candidates, 2]))
    window = max(9, 2 * round(_WINDOW * scale / 2) + 1)
    stray = (_STRAY_OF_KNOWN if known else _STRAY) * scale
    references = [
        _reference(frames[i], i, poses[i : i + 1], shape, focal, centre, scale, window)
        for i in choose_references(poses.rotation, candidates)
    ]
    counts = [len(reference.points) for reference in references]
    starts = np.concatenate([[0], np.cumsum(counts)])
    pixels = np.zeros((len(frames), starts[-1], 2), np.float32)
    seen = np.zeros((len(frames), starts[-1]), bool)
    apart = angles(poses.rotation, poses.rotation[[reference.frame for reference in references]])

    def of_frame(i: int) -> None:
        sight = Sight(local_contrast(read_grey(frames[i])), poses[i : i + 1], focal, centre)
        near, far = _references_of(apart[i])
        for k in near + far * known:
            reference, columns = references[k], slice(starts[k], starts[k + 1])
            if i == reference.frame:
                pixels[i, columns], seen[i, columns] = reference.pixels, True
            elif counts[k]:
                find = match if k in near else match_warped
                pixels[i, columns], seen[i, columns] = find(reference, sight, window, stray)

    in_threads(of_frame, np.flatnonzero(usable).tolist())
    return FeatureTracks(np.concatenate([reference.points for reference in references]), pixels, seen)


def _references_of(apart: Float64[np.ndarray, "K"]) -> tuple[list[int], list[int]]:
    """The references to look for in a frame, by how far (rad) each is: those of like pose, and some farther ones."""
    order = np.argsort(apart).tolist()
    near = [k for k in order[:REFERENCES_PER_FRAME] if apart[k] < _REACH]
    others = [k for k in order if k not in near and apart[k] < _FAR_REACH]
    steps = np.linspace(0, len(others) - 1, FAR_REFERENCES_PER_FRAME) if others else np.zeros(0)
    return near, [others[step] for step in np.unique(steps.round().astype(int))]


def choose_references(
    rotation: Float64[np.ndarray, "N 3 3"],
    usable: Bool[np.ndarray, "N"],
    spacing: float = _SPACING,
    most: int = MAX_REFERENCES,
) -> list[int]:
    """Frames whose poses cover the clip's: the one nearest to the mean, then always the one farthest from those.

    Args:
        rotation: [N, 3, 3].
        usable: [N] bool, the frames to choose from.
        spacing: rad, at least, between the poses that are chosen.
        most: how many, at most.

    Returns:
        numbers of frames, in the order of choice.
    """
    frames = np.flatnonzero(usable)
    used = rotation[frames]
    chosen = [int(angles(used, rotations.mean(used)[None])[:, 0].argmin())]
    while len(chosen) < min(most, len(frames)):
        nearest = angles(used, used[chosen]).min(axis=1)
        # The very farthest are often misdetected: leave out one in fifty.
        candidate = int(np.argsort(nearest)[-1 - len(frames) // 50])
        if nearest[candidate] < spacing:
            break
        chosen.append(candidate)
    return [int(frames[k]) for k in chosen]


def angles(a: Float64[np.ndarray, "N 3 3"], b: Float64[np.ndarray, "K 3 3"]) -> Float64[np.ndarray, "N K"]:
    """Angles between all of [N, 3, 3] and all of [K, 3, 3]: [N, K] rad."""
    trace = np.einsum("nij,kij->nk", a, b)
    return np.arccos(np.clip((trace - 1) / 2, -1, 1))


def _reference(
    path: Path,
    frame: int,
    pose: Poses,
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
    scale: float,
    window: int,
) -> Skin:
    grey = read_grey(path)
    camera = pose.transform(shape)[0]
    outline = project(camera, focal, centre)
    faces = rigid_faces(shape, camera)
    mask = np.zeros_like(grey)
    for face in faces:
        cv2.fillConvexPoly(mask, np.round(outline[face]).astype(np.int32), (255,))
    corners = cv2.goodFeaturesToTrack(
        grey, FEATURES_PER_REFERENCE, 0.003, max(3.0, _APART * scale), mask=mask, blockSize=max(5, window // 2)
    )
    pixels = np.zeros((0, 2)) if corners is None else corners.reshape(-1, 2).astype(np.float64) + 0.5
    depth = depths_at(pixels, outline[faces], camera[faces][..., 2])
    pixels, depth = pixels[np.isfinite(depth)], depth[np.isfinite(depth)]
    x = (pixels[:, 0] - centre[0]) * -depth / focal
    y = (centre[1] - pixels[:, 1]) * -depth / focal
    points = (np.stack([x, y, depth], axis=-1) - pose.translation) @ pose.rotation[0]
    nearest = np.linalg.norm(points[:, None] - shape[: face_topology.NUM_MESH], axis=-1).argmin(axis=1)
    return Skin(frame, local_contrast(grey), pose, pixels, points, vertex_normals(shape)[nearest])
