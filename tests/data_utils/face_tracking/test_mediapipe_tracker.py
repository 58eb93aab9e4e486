"""The tracker as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_parsing.mediapipe_parser import parse
from data_utils.face_tracking import TRACKERS
from data_utils.face_tracking.mediapipe_tracker import track_head, write_track
from media.images import write_image
from media.video import read_frames
from sample import make_sample
from tests.data_utils.face_tracking.made_up_head import SIZE, Scene


def noisy(scene: Scene, spread: float = 0.4) -> np.ndarray:
    return scene.landmarks + np.random.default_rng(5).normal(0, spread, scene.landmarks.shape)


@pytest.fixture(scope="module")
def track(scene):
    """The head followed by its landmarks; four frames of them are lost and hold nonsense."""
    landmarks, found = noisy(scene), np.ones(len(scene.landmarks), bool)
    found[30:34] = False
    landmarks[30:34] = landmarks[29]
    return track_head(landmarks, found, (SIZE, SIZE)), landmarks, found


def test_follows_a_head_by_its_landmarks(track, scene):
    head, _, found = track
    errors = angle_errors(head.poses.rotation, scene.rotation)
    assert rms(errors[found]) < 0.5 and rms(np.diff(errors, axis=0)) < 0.15


def test_the_head_frame_is_the_contracts(track, scene):
    head, _, _ = track
    assert (
        np.abs(
            np.degrees(Rotation.from_matrix(scene.rotation.mean(0).T @ head.poses.rotation.mean(0)).as_rotvec())
        ).max()
        < 3
    )
    assert np.abs(head.shape[[234, 454]].mean(0)).max() < 1e-6  # the origin is between the ears
    assert np.linalg.norm(head.shape - scene.shape, axis=1).mean() < 0.06  # decimetres, x left, y up, z out of the face


def test_lost_frames_are_interpolated(track, scene):
    head, _, _ = track
    errors = angle_errors(head.poses.rotation, scene.rotation)
    assert np.linalg.norm(errors[30:34], axis=1).max() < 1.0
    steps = np.linalg.norm(np.diff(head.vertices[28:36], axis=0), axis=-1)
    assert steps.max() < 0.05


def test_written_vertices_pose_and_focal_land_on_the_landmarks(track, tmp_path):
    head, landmarks, found = track
    write_track(head, tmp_path / "track_params.pt")
    params = torch.load(tmp_path / "track_params.pt", weights_only=True)
    euler, trans = params["euler"].double().numpy(), params["trans"].double().numpy()
    vertices, focal = params["vertices"].double().numpy(), float(params["focal"])
    rotation = Rotation.from_euler("XYZ", euler * (1, 1, -1)).as_matrix()
    camera_to_world = np.tile(np.eye(4), (len(euler), 1, 1))
    camera_to_world[:, :3, :3] = np.swapaxes(rotation, 1, 2)
    camera_to_world[:, :3, 3] = -(np.swapaxes(rotation, 1, 2) @ trans[..., None])[..., 0]
    homogeneous = np.concatenate([vertices, np.ones((*vertices.shape[:2], 1))], -1)
    x, y, z, _ = np.moveaxis(homogeneous @ np.swapaxes(np.linalg.inv(camera_to_world), 1, 2), -1, 0)
    pixels = np.stack([SIZE / 2 + focal * x / -z, SIZE / 2 - focal * y / -z], -1)
    off = (pixels - landmarks[..., :2])[found]
    assert rms(off) < 0.8 and np.abs(off.mean(0)).max() < 0.3  # the landmarks' own noise is 0.57
    assert (z < 0).all()
    assert params["faces"].dtype == torch.int64 and params["faces"].max() < vertices.shape[1]
    assert (params["trust"] > 0).tolist() == found.tolist() and params["reprojection"].shape == found.shape


def test_an_opening_mouth_moves_the_vertices_and_not_the_pose(scene):
    landmarks = scene.landmarks.copy()
    lower = np.flatnonzero((scene.shape[:, 1] < -0.5) & (np.arange(478) < 468))
    opening = 12 * np.sin(np.arange(len(landmarks)) / 3) ** 2
    landmarks[:, lower, 1] += opening[:, None]
    head = track_head(landmarks, np.ones(len(landmarks), bool), (SIZE, SIZE))
    assert rms(angle_errors(head.poses.rotation, scene.rotation)) < 0.4
    moved = head.vertices[:, lower, 1].mean(1) - head.vertices[:, lower, 1].mean()
    assert np.corrcoef(moved, -opening)[0, 1] > 0.95


def test_unusable_landmarks_are_one_line(scene):
    with pytest.raises(EGSTalkerError, match="landmarks"):
        track_head(np.full_like(scene.landmarks, np.nan), np.ones(len(scene.landmarks), bool), (SIZE, SIZE))
    with pytest.raises(EGSTalkerError, match="landmarks"):
        track_head(scene.landmarks, np.zeros(len(scene.landmarks), bool), (SIZE, SIZE))


@pytest.fixture(scope="module")
def sample_folder(tmp_path_factory):
    """Four seconds of the sample as far as the tracker needs them, tracked; and their truth."""
    path = tmp_path_factory.mktemp("tracked")
    truth = np.load(make_sample(path / "head.mp4", seconds=4.0))
    folder = DatasetFolder(path / "head")
    for i, image in enumerate(read_frames(path / "head.mp4")):
        write_image(folder.frame(i), image)
    folder.parsing.mkdir()
    parse(folder, folder.parsing)
    TRACKERS["mediapipe"](folder)
    return folder, truth


def test_the_samples_poses_are_right_and_steady(sample_folder):
    folder, truth = sample_folder
    params = torch.load(folder.track_params, weights_only=True)
    rotation = Rotation.from_euler("XYZ", params["euler"].double().numpy() * (1, 1, -1)).as_matrix()
    errors = angle_errors(rotation, truth["rotation"])
    assert rms(errors) < 0.5 and rms(np.diff(errors, axis=0)) < 0.08
    assert (params["trust"] > 0.9).all()
    assert folder.read_record()["tracker"] == "mediapipe"
    assert float(params["reprojection"].median()) < 1.0


def test_the_samples_triangles_face_outward(sample_folder):
    params = torch.load(sample_folder[0].track_params, weights_only=True)
    a, b, c = params["vertices"][0][params["faces"]].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    outward = ((a + b + c) / 3 * normal).sum(-1) > 0
    assert outward.float().mean() > 0.97 and outward[-8:].all()


def test_landmarks_of_another_clip_are_refused(sample_folder):
    with pytest.raises(EGSTalkerError, match="for 1 frames"):
        track_head(np.zeros((3, 478, 3)), np.ones(3, bool), (384, 384), [sample_folder[0].frame(0)])
