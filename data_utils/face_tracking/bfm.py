"""The tracker ``bfm``: the Basel Face Model fitted to a clip; the whole mesh of every frame comes out.

The landmarks give focal length, identity and expressions (see :mod:`model_fitting`). The rigid motion is then taken
from the skin, followed with sub-pixel precision by :func:`mediapipe_tracker.track_head`: the model's
frame is aligned with that track once for the clip, and identity and expressions are fitted anew under its poses. Where
pytorch3d is installed, the textured and lit mesh is at last matched with the pictures (:mod:`mesh_photometry`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int

from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.errors import EGSTalkerError
from data_utils.face_mesh import IBUG_68, FaceMeshTrack, load_or_detect, to_68
from data_utils.face_tracking import bfm_files, face_alignment_network, mesh_photometry, morphable_model
from data_utils.face_tracking.bundle_adjustment import choose_key_frames
from data_utils.face_tracking.frame_alignment import Similarity, align, poses_in
from data_utils.face_tracking.head_points import HeadMask
from data_utils.face_tracking.landmark_basis import Detections, LandmarkBasis
from data_utils.face_tracking.mediapipe_tracker import (
    PORTRAIT_FOCAL,
    HeadTrack,
    head_mask_of,
    record_trust,
    scene_cuts,
    track_head,
)
from data_utils.face_tracking.mesh_track import MeshTrack, write_mesh_track
from data_utils.face_tracking.model_fitting import FocalPrior, LandmarkFit, Shared
from data_utils.face_tracking.morphable_model import MorphableModel
from data_utils.face_tracking.motion import Motion
from data_utils.face_tracking.orthographic_pose import orthographic_poses
from data_utils.face_tracking.perspective import fit_poses, weak_perspective_poses
from data_utils.face_tracking.smoothing import measured_noise, shots, smooth, smooth_poses
from data_utils.face_tracking.tracking_report import write_tracking_report
from data_utils.lost_frames import frames_to_fit, interpolate_lost
from data_utils.wholeness import FRAMES
from media.images import read_grey

KEY_FRAMES = 80
FOCALS = (1.3, 2.2, 3.8)  # over the image side: where the search for the focal length starts
_SMALLEST = 8.0  # pixels: of a face any smaller, nothing can be told
_FOCAL_SPREAD = 0.35
_STEADY = np.array(
    [27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45]
)  # landmarks that no expression moves: nose, eye corners
_INNER = slice(17, None)  # the landmarks after the jaw's, which the basis begins with


def track(folder: DatasetFolder) -> None:
    """Write ``track_params.pt`` of a dataset folder; its content: :func:`mesh_track.write_mesh_track`.

    Raises:
        EGSTalkerError: the converted model is missing (it says which files make it), or is damaged; no frames or no
            face, or the frames do not fit the landmarks.
    """
    check_installed()
    model = morphable_model.load(morphable_model.FILE)
    mesh = load_or_detect(folder)
    frames = FRAMES.files(folder)
    height, width = read_grey(frames[0]).shape
    size, fit_frames = (width, height), num_train_frames(len(frames))
    mask, cuts = head_mask_of(folder), scene_cuts(folder)
    fitted = track_mesh(model, detect(frames, mesh), size, mesh, frames, mask, cuts, fit_frames)
    if mesh_photometry.available():
        fitted = mesh_photometry.refine(fitted, model, frames, size, fit_frames=fit_frames)
    write_mesh_track(fitted, model, folder.track_params)
    centre = (width / 2, height / 2)
    write_tracking_report(folder.tracking_report, fitted.poses, fitted.focal, centre, fitted.reprojection, fitted.trust)
    record_trust(folder, fitted.trust, mesh.found)
    folder.update_record(tracker="bfm")


def check_installed() -> None:
    """Raises EGSTalkerError where the converted model is missing, naming the files that lack and what makes them."""
    path = morphable_model.FILE
    if not path.is_file():
        absent = bfm_files.missing(path.parent)
        fetch = f"./download_bfm.sh (for {', '.join(absent)}), then " if absent else ""
        raise EGSTalkerError(
            f"--tracker bfm needs {path}, which is missing: run {fetch}python data_utils/face_tracking/convert_BFM.py"
        )


def detect(frames: list[Path], mesh: FaceMeshTrack) -> Detections:
    """68 landmarks of N frames: the face alignment network's where its weights are, else FaceMesh's."""
    points = to_68(mesh.points).astype(np.float64)
    weights = face_alignment_network.weights_file()
    if weights is None:
        return Detections(points, mesh.found, outline=False)
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return Detections(face_alignment_network.detect_68(frames, boxes, weights), mesh.found, outline=True)


def track_mesh(
    model: MorphableModel,
    seen: Detections,
    size: tuple[int, int],
    mesh: FaceMeshTrack | None = None,
    frames: list[Path] | None = None,
    head_mask: HeadMask | None = None,
    cuts: Sequence[int] = (),
    fit_frames: int | None = None,
) -> MeshTrack:
    """Fit a model to a clip.

    Args:
        seen: 68 landmarks of N frames.
        size: width and height of the frames, pixels.
        mesh: FaceMesh's landmarks of the frames; without them and the frames, the 68 landmarks stand alone.
        frames: N image files.
        head_mask: gives a frame's pixels of head, hair and ears; without it the face alone gives the rigid poses.
        cuts: frames at which a new shot begins; nothing is smoothed across them.
        fit_frames: what belongs to the person is fitted on the first so many frames, and nothing that is measured in
            these depends on the later ones; all unless given.

    Raises:
        EGSTalkerError: no face in the frames to fit, or landmarks that no head projects on.
    """
    usable = frames_to_fit(seen.found, fit_frames)
    if not _is_a_face(seen.pixels, usable, size):
        raise EGSTalkerError("no usable face landmarks; run preprocess.sh with --task 7 again")
    if frames is not None and len(frames) != len(seen.pixels):
        raise EGSTalkerError(
            f"{len(seen.pixels)} landmarks for {len(frames)} frames; run preprocess.sh with --task 3 again"
        )
    centre = (size[0] / 2, size[1] / 2)
    basis = LandmarkBasis.of(model, seen.outline)
    fit, key, shared, motion = _fit_key_frames(basis, seen, usable, centre)
    if mesh is not None and frames is not None:
        head = track_head(mesh.points, mesh.found, size, frames, head_mask, cuts, fit_frames)
        shared, motion = _under_rigid_track(fit, key, shared, motion, head, fit_frames)
        reprojection, trust = head.reprojection, head.trust
    else:
        start = _everywhere(fit, shared, key, motion).held(seen.found, fit_frames)
        motion = _follow(fit, shared, start, fit_frames)
        reprojection, trust = fit.errors(shared, motion), seen.found.astype(np.float64)
        motion = Motion(smooth_poses(motion.poses, _parts(cuts, fit_frames), usable), motion.expression)
    motion = Motion(motion.poses, interpolate_lost(motion.expression, trust > 0, fit_frames))
    noise = measured_noise(motion.expression, usable)
    motion = Motion(motion.poses, smooth(motion.expression, noise, _parts(cuts, fit_frames)))
    if not all(np.isfinite(a).all() for a in (motion.poses.rotation, motion.poses.translation, motion.expression)):
        raise EGSTalkerError("the head cannot be followed in this video; use one that shows a face from the front")
    reprojection = np.where(seen.found, reprojection, reprojection[usable].max())
    identity = shared.lasting[: basis.identities]
    return MeshTrack(shared.focal, motion.poses, identity, motion.expression, reprojection, trust)


def _is_a_face(pixels: Float64[np.ndarray, "N 68 2"], usable: Bool[np.ndarray, "N"], size: tuple[int, int]) -> bool:
    """Whether landmarks [N, 68, 2] are those of a face that is seen, in and about the picture."""
    if not usable.any() or not np.isfinite(pixels).all() or np.abs(pixels).max() > 10 * max(size):
        return False
    extent = np.ptp(pixels[usable], axis=1)
    return bool(np.median(extent.min(axis=1)) > _SMALLEST)


def _fit_key_frames(
    basis: LandmarkBasis, seen: Detections, usable: Bool[np.ndarray, "N"], centre: tuple[float, float]
) -> tuple[LandmarkFit, Int[np.ndarray, "K"], Shared, Motion]:
    """The search for the focal length: what is shared, and the motion of the key frames."""
    nothing = np.zeros(len(basis.lasting))
    points = basis.mean[_STEADY - _INNER.start]
    rotation, scale, origin = orthographic_poses(points, seen.pixels[:, _STEADY], np.ones(len(_STEADY)))
    fit = LandmarkFit(basis, seen, seen.noise(float(np.median(scale[usable]))), centre)
    key = choose_key_frames(rotation, usable, KEY_FRAMES)
    prior = FocalPrior(PORTRAIT_FOCAL * 2 * max(centre), _FOCAL_SPREAD)
    attempts = []
    for ratio in FOCALS:
        focal = ratio * 2 * max(centre)
        poses = weak_perspective_poses(rotation[key], scale[key], origin[key], focal, centre)
        start = Motion(poses, np.zeros((len(key), len(basis.expression))))
        attempts.append(fit.adjust(key, start, Shared(nothing, focal), prior, iterations=6))
    shared, motion, _ = min(attempts, key=lambda attempt: attempt[2])
    for _ in range(2):
        shared, motion, _ = fit.adjust(key, motion, shared, prior, iterations=12)
        fit = fit.with_measured_noise(key, shared, motion)
    shared, motion, _ = fit.adjust(key, motion, shared, prior, iterations=12)
    return fit, key, shared, motion


def _everywhere(fit: LandmarkFit, shared: Shared, key: Int[np.ndarray, "K"], motion: Motion) -> Motion:
    """First poses and expressions of all frames, from those of the key frames and a fit of the steady landmarks."""
    nearest = np.abs(np.arange(len(fit.seen.pixels))[:, None] - key).argmin(axis=1)
    start = motion[nearest]
    points = fit.basis.person(shared.lasting)[_STEADY - _INNER.start]
    poses = fit_poses(points, fit.seen.pixels[:, _STEADY], fit.noise[_STEADY], shared.focal, fit.centre, start.poses)
    return Motion(poses, start.expression)


def _under_rigid_track(
    fit: LandmarkFit,
    key: Int[np.ndarray, "K"],
    shared: Shared,
    motion: Motion,
    head: HeadTrack,
    fit_frames: int | None,
) -> tuple[Shared, Motion]:
    """What is shared and all frames' motion, under the poses of a rigid track."""
    points = fit.points(shared, motion)[:, _INNER]
    start = Similarity.between(points.mean(axis=0), head.shape[np.array(IBUG_68)[_INNER]])
    pixels = fit.seen.pixels[key][:, _INNER]
    similarity = align(points, pixels, fit.noise[_INNER], head.poses[key], head.focal, fit.centre, start)
    poses = poses_in(similarity, head.poses)
    shared = Shared(shared.lasting, head.focal)
    known = FocalPrior(head.focal, 0.0)
    there = Motion(poses[key], motion.expression)
    shared, there, _ = fit.adjust(key, there, shared, known, iterations=15, hold_poses=True)
    nearest = np.abs(np.arange(len(poses))[:, None] - key).argmin(axis=1)
    return shared, _follow(fit, shared, Motion(poses, there.expression[nearest]), fit_frames, hold_poses=True)


def _follow(
    fit: LandmarkFit, shared: Shared, start: Motion, fit_frames: int | None, *, hold_poses: bool = False
) -> Motion:
    """Every frame's motion: the frames that are fitted on and the later ones, each as a chain of its own."""
    parts = shots(len(start.expression), _parts((), fit_frames))
    return Motion.join([fit.of(rows).follow(shared, start[rows], hold_poses=hold_poses) for rows in parts])


def _parts(cuts: Sequence[int], fit_frames: int | None) -> list[int]:
    """Where nothing is smoothed across: shots, and the end of the frames that are fitted on."""
    return [*cuts, *([] if fit_frames is None else [fit_frames])]
