"""The tracker ``mediapipe``: head poses, focal length and person shape from FaceMesh landmarks, skin and texture.

Landmarks alone place a head within a degree or two, and jitter. So they only begin: bundle adjustment of the landmarks
gives a shape and first poses; corners of the rigid skin, followed with sub-pixel precision, are then adjusted with
poses and focal length; the texture of the whole head, hair and ears included, gives the final poses, under which the
landmarks' shape is fitted anew. What belongs to the person (shape, focal length, skin features, texture) is fitted on
the training part; held-out frames are then aligned with it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64

from arguments.atomic import atomic_path
from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.errors import EGSTalkerError
from data_utils.face_mesh import load_or_detect
from data_utils.face_parsing.classes import head_share
from data_utils.face_tracking import face_topology, rotations
from data_utils.face_tracking.bundle_adjustment import Priors, adjust, choose_key_frames, fit_shape
from data_utils.face_tracking.expression import head_frame_vertices
from data_utils.face_tracking.face_cover import covered, covered_share
from data_utils.face_tracking.feature_tracks import FeatureTracks, track_features
from data_utils.face_tracking.head_points import HeadMask
from data_utils.face_tracking.initial_shape import fit_orthographic, head_frame
from data_utils.face_tracking.perspective import Poses, fit_poses, weak_perspective_poses
from data_utils.face_tracking.photometric_adjustment import INDEPENDENT_WHEN_WIDE, textured_head
from data_utils.face_tracking.rigid_points import KEY_FRAMES, Observed, RigidPoints
from data_utils.face_tracking.smoothing import smooth_poses
from data_utils.face_tracking.texture_following import follow
from data_utils.face_tracking.tracking_report import write_tracking_report
from data_utils.lost_frames import frames_to_fit
from data_utils.timeline import spans
from data_utils.wholeness import FRAMES
from media.images import read_grey, read_rgb_or_rgba

logger = logging.getLogger(__name__)

PORTRAIT_FOCAL = 2.2  # focal length over image side that portraits have, give or take a third
SHAPE_FRAMES = 300
MIN_FEATURES = 12  # in a clip, below which the landmarks stand alone
_LANDMARK_NOISE = 0.05  # decimetres, of a rigid landmark
_FEATURE_NOISE = 1 / 2500  # of the image side
WIDE = 0.4  # rad from the mean pose, beyond which landmarks mislead: features are followed again from where they led
_LANDMARKS_BESIDE_FEATURES = 10.0  # by how much the landmarks' noise is raised where features speak


@dataclass(frozen=True)
class HeadTrack:
    """A head followed through N frames."""

    focal: float  # pixels
    poses: Poses  # N, head frame to OpenGL camera
    shape: Float64[np.ndarray, "478 3"]  # decimetres, head frame: the person's neutral landmarks
    vertices: Float32[np.ndarray, "N 478 3"]  # decimetres, head frame, with expression
    reprojection: Float64[np.ndarray, "N"]  # pixels: RMS distance of rigid points from where the pose puts them
    trust: Float64[np.ndarray, "N"]  # 0..1, see :func:`track`


def track(folder: DatasetFolder) -> None:
    """Write ``track_params.pt`` and ``tracking_report.png`` of a dataset folder.

    The first is a dictionary of tensors: focal [1] (pixels), euler [N, 3] (rad), trans [N, 3] (decimetres, X_camera =
    R X_head + trans with R = rotations.euler_to_matrix(euler), OpenGL camera), vertices [N, 478, 3] (head frame, with
    expression), faces [F, 3] int64, shape [478, 3] (the person without expression), reprojection [N] (pixels) and
    trust [N]: 0..1, the correlation of the frame with the head's texture under its pose (1 where the head has none and
    the landmarks stand alone). It is 0 where the face is not seen, its texture cannot be followed or something hides
    the face: pose or expression are interpolated there. dataset.json lists those as ``untrusted_frames``.

    Raises:
        EGSTalkerError: no frames or no face, or the frames do not fit the landmarks.
    """
    mesh = load_or_detect(folder)
    frames = FRAMES.files(folder)
    height, width = read_grey(frames[0]).shape
    head = track_head(
        mesh.points,
        mesh.found,
        (width, height),
        frames,
        head_mask_of(folder),
        scene_cuts(folder),
        num_train_frames(len(frames)),
    )
    write_track(head, folder.track_params)
    write_tracking_report(
        folder.tracking_report,
        head.poses,
        head.focal,
        (width / 2, height / 2),
        head.reprojection,
        head.trust,
    )
    record_trust(folder, head.trust, mesh.found)
    folder.update_record(tracker="mediapipe")


def record_trust(folder: DatasetFolder, trust: Float64[np.ndarray, "N"], found: Bool[np.ndarray, "N"]) -> None:
    """Keep in dataset.json which frames are not trusted, and say so of those where a face was ``found`` [N]."""
    folder.update_record(untrusted_frames=np.flatnonzero(trust == 0).tolist())
    doubtful = found & (trust == 0)
    if doubtful.any():
        logger.warning(
            "the head cannot be followed or is covered in %d of %d frames, which are neither learnt from nor shown: %s",
            doubtful.sum(), len(trust), spans(doubtful),
        )  # fmt: skip


def head_mask_of(folder: DatasetFolder) -> HeadMask:
    """The pixels that are wholly the head's by a dataset's parsing maps: hair on the shoulders moves with both."""
    return lambda i: head_share(read_rgb_or_rgba(folder.parsing_map(i))) == 255


def scene_cuts(folder: DatasetFolder) -> list[int]:
    """The frames of a dataset at which a new shot begins, as dataset.json has them."""
    cuts = folder.read_record().get("scene_cuts")
    return [cut for cut in cuts if isinstance(cut, int)] if isinstance(cuts, list) else []


def track_head(
    landmarks: Float[np.ndarray, "N 478 3"],
    found: Bool[np.ndarray, "N"],
    size: tuple[int, int],
    frames: list[Path] | None = None,
    head_mask: HeadMask | None = None,
    cuts: Sequence[int] = (),
    fit_frames: int | None = None,
) -> HeadTrack:
    """Follow a head.

    Args:
        landmarks: [N, 478, 3] FaceMesh points in pixels.
        found: [N]; where False, the pose is interpolated.
        size: width and height of the frames, pixels.
        frames: N image files; without them the landmarks stand alone.
        head_mask: gives a frame's pixels of head, hair and ears; without it the face alone is looked at.
        cuts: frames at which a new shot begins; nothing is smoothed across them.
        fit_frames: what belongs to the person is fitted on the first so many frames, and nothing that is measured in
            these depends on the later ones; all unless given.

    Raises:
        EGSTalkerError: no face in the frames to fit, or landmarks that no head projects on.
    """
    usable = frames_to_fit(found, fit_frames)
    if not usable.any() or not np.isfinite(landmarks).all():
        raise EGSTalkerError("no usable face landmarks; run preprocess.sh with --task 7 again")
    if frames is not None and len(frames) != len(landmarks):
        raise EGSTalkerError(
            f"{len(landmarks)} landmarks for {len(frames)} frames; run preprocess.sh with --task 3 again"
        )
    centre = (size[0] / 2, size[1] / 2)
    if fit_frames is not None:
        cuts = [*cuts, fit_frames]  # smoothing runs both ways
    shape, focal, poses, reprojection, trust = _follow(
        landmarks, found, usable, centre, frames, head_mask, cuts, fit_frames
    )
    if frames:
        hidden = covered_share(frames, poses, trust > 0, usable, shape, focal, centre)
        trust = np.where(covered(hidden, cuts), 0.0, trust)
    axes, origin = head_frame(shape)
    shape = (shape - origin) @ axes.T
    poses = poses.reframed(axes, origin)
    vertices = head_frame_vertices(landmarks, trust > 0, poses, shape, focal, centre, cuts, fit_frames)
    if not all(np.isfinite(a).all() for a in (poses.rotation, poses.translation, vertices)):
        raise EGSTalkerError("the head cannot be followed in this video; use one that shows a face from the front")
    return HeadTrack(focal, poses, shape, vertices, np.where(found, reprojection, reprojection[usable].max()), trust)


def _follow(
    landmarks: Float[np.ndarray, "N 478 3"],
    found: Bool[np.ndarray, "N"],
    usable: Bool[np.ndarray, "N"],
    centre: tuple[float, float],
    frames: list[Path] | None,
    head_mask: HeadMask | None,
    cuts: Sequence[int],
    fit_frames: int | None,
) -> tuple[Float64[np.ndarray, "478 3"], float, Poses, Float64[np.ndarray, "N"], Float64[np.ndarray, "N"]]:
    """Shape, focal length, smooth poses, reprojection and trust; in any head frame."""
    seen = landmarks[..., :2]
    shape, focal, poses, noise = _from_landmarks(landmarks, found, usable, centre)
    rigid = RigidPoints(shape, (Observed(seen, noise),))
    trust = found.astype(np.float64)

    def smoothed(known: Bool[np.ndarray, "N"]) -> Poses:
        return smooth_poses(poses.filled(known, fit_frames), cuts, usable & known)

    if frames:
        wide = _widest_turn(smoothed(found).rotation[usable]) > WIDE
        for known in (False, True):
            first = smoothed(found)
            features = track_features(frames, first, found, shape, focal, centre, fit_frames, known)
            if len(features.points) < MIN_FEATURES:
                break
            prior = _portrait(centre) if wide else Priors(focal, focal_spread=0.15)
            shape, focal, poses, rigid = _from_features(features, seen, usable, first, shape, noise, prior, centre)
            wide = _widest_turn(smoothed(found).rotation[usable]) > WIDE
            if not wide:
                break
            shape = _fit_landmark_shape(seen, usable, smoothed(found), shape, noise, focal, centre)
        first = smoothed(found)
        shape = _fit_landmark_shape(seen, usable, first, shape, noise, focal, centre)
        independent = INDEPENDENT_WHEN_WIDE if wide else 1.0
        head = textured_head(frames, first, usable, shape, focal, centre, head_mask, independent)
        if head is not None:
            followed = follow(frames, first, found, head, focal, centre, cuts)
            poses, trust = followed.poses, followed.trust
            if not (trust > 0)[usable].any():
                raise EGSTalkerError(
                    "the head cannot be followed in this video; use one that shows a face from the front"
                )
        elif len(features.points) < MIN_FEATURES:
            logger.warning("the head shows too little texture to follow; poses rest on the landmarks alone")
    poses = smoothed(trust > 0)
    reprojection = rigid.reprojection(poses, usable, focal, centre)
    shape = _fit_landmark_shape(seen, usable & (trust > 0), poses, shape, noise, focal, centre)
    return shape, focal, poses, reprojection, trust


def _widest_turn(rotation: Float64[np.ndarray, "N 3 3"]) -> float:
    """Angle (rad) between the mean of rotations and the one farthest from it."""
    return float(np.linalg.norm(rotations.log(rotations.mean(rotation).T @ rotation), axis=1).max())


def write_track(head: HeadTrack, target: Path) -> None:
    """Write a track as the tensors that :func:`track` describes, atomically.

    Args:
        head: of N frames.
        target: track_params.pt.
    """
    tensors = {
        "focal": torch.tensor([head.focal], dtype=torch.float32),
        "euler": torch.from_numpy(rotations.matrix_to_euler(head.poses.rotation)).float(),
        "trans": torch.from_numpy(head.poses.translation).float(),
        "vertices": torch.from_numpy(head.vertices),
        "faces": torch.from_numpy(face_topology.triangles().copy()),
        "shape": torch.from_numpy(head.shape).float(),
        "reprojection": torch.from_numpy(head.reprojection).float(),
        "trust": torch.from_numpy(head.trust).float(),
    }
    with atomic_path(target) as path, path.open("wb") as file:  # a path would leave its temporary name in the file
        torch.save(tensors, file)


def _portrait(centre: tuple[float, float]) -> Priors:
    """What is believed of a camera before anything is seen; and of one whose landmarks mislead."""
    return Priors(PORTRAIT_FOCAL * 2 * max(centre), focal_spread=0.35)


def _from_landmarks(
    landmarks: Float[np.ndarray, "N 478 3"],
    found: Bool[np.ndarray, "N"],
    usable: Bool[np.ndarray, "N"],
    centre: tuple[float, float],
) -> tuple[Float64[np.ndarray, "478 3"], float, Poses, Float64[np.ndarray, "478"]]:
    """Shape, focal length, N poses and the landmarks' noise [478], by the landmarks alone."""
    flat = fit_orthographic(landmarks, usable)
    rotation, scale, origin = flat.rotation.copy(), flat.scale.copy(), flat.origin.copy()
    rotation[~found], scale[~found], origin[~found] = np.eye(3), 1.0, 0.0
    prior = _portrait(centre)
    start = weak_perspective_poses(rotation, scale, origin, prior.focal, centre)
    noise = face_topology.landmark_noise(flat.shape) * _LANDMARK_NOISE * float(np.median(scale[usable])) / 10
    key = choose_key_frames(rotation, usable, KEY_FRAMES)
    fitted = adjust(landmarks[key, :, :2], start[key], flat.shape, noise, centre, prior)
    start = weak_perspective_poses(rotation, scale, origin, fitted.focal, centre)
    poses = fit_poses(fitted.shape, landmarks[..., :2], fitted.noise, fitted.focal, centre, start)
    return fitted.shape, fitted.focal, poses, fitted.noise


def _from_features(
    features: FeatureTracks,
    landmarks: Float[np.ndarray, "N 478 2"],
    usable: Bool[np.ndarray, "N"],
    start: Poses,
    shape: Float64[np.ndarray, "478 3"],
    noise: Float64[np.ndarray, "478"],
    prior: Priors,
    centre: tuple[float, float],
) -> tuple[Float64[np.ndarray, "478 3"], float, Poses, RigidPoints]:
    """Shape, focal length and N poses by tracked skin; and the rigid points of both, in N frames."""
    prior = replace(prior, shape_spread=0.1, evidence=1.0)
    believed = np.full(len(features.points), _FEATURE_NOISE * 2 * max(centre))
    key = choose_key_frames(start.rotation, usable, KEY_FRAMES)
    fitted = adjust(features.pixels[key], start[key], features.points, believed, centre, prior, features.seen[key])
    skin = Observed(features.pixels, fitted.noise, features.seen)
    shown = usable & (features.seen.sum(axis=1) >= MIN_FEATURES)
    poses = RigidPoints(fitted.shape, (skin,)).poses(fitted.focal, centre, start)
    rigid = np.flatnonzero(face_topology.landmark_noise(shape) < face_topology.RIGID_BELOW)
    shape = _fit_landmark_shape(landmarks, shown, poses, shape, noise, fitted.focal, centre)
    beside = Observed(landmarks[:, rigid], noise[rigid] * _LANDMARKS_BESIDE_FEATURES)
    points = RigidPoints(np.concatenate([fitted.shape, shape[rigid]]), (skin, beside))
    return shape, fitted.focal, points.poses(fitted.focal, centre, start), points


def _fit_landmark_shape(
    landmarks: Float[np.ndarray, "N 478 2"],
    usable: Bool[np.ndarray, "N"],
    poses: Poses,
    shape: Float64[np.ndarray, "478 3"],
    noise: Float64[np.ndarray, "478"],
    focal: float,
    centre: tuple[float, float],
) -> Float64[np.ndarray, "478 3"]:
    """The person's landmarks [478, 3] under known poses, from at most SHAPE_FRAMES frames; irises as the loosest."""
    frames = np.flatnonzero(usable)
    frames = frames[:: -(-len(frames) // SHAPE_FRAMES)]
    loose = np.minimum(noise, noise[np.isfinite(noise)].max())
    return fit_shape(landmarks[frames], poses[frames], shape, loose, focal, centre, Priors(focal))
