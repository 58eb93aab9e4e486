"""The mesh's track and its file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from data_utils.face_tracking.frame_alignment import Similarity, align, poses_in
from data_utils.face_tracking.mesh_track import MeshTrack, thinned, write_mesh_track
from data_utils.face_tracking.perspective import Poses, project
from data_utils.face_tracking.rotations import euler_to_matrix
from tests.data_utils.face_tracking.made_up_bfm import make_face
from tests.data_utils.face_tracking.test_model_fitting import as_model, make_clip


@pytest.fixture(scope="module")
def clip():
    return make_clip(as_model(make_face(side=31)), 60)


@pytest.fixture(scope="module")
def track(clip) -> MeshTrack:
    count = len(clip.rotation)
    poses = Poses(clip.rotation, clip.translation)
    return MeshTrack(1450.0, poses, clip.identity, clip.expression, np.ones(count), np.ones(count))


def test_the_files_vertices_are_the_whole_meshs(track, clip, tmp_path):
    write_mesh_track(track, clip.model, tmp_path / "track_params.pt")
    params = torch.load(tmp_path / "track_params.pt", weights_only=True)
    assert params["vertices"].dtype == torch.float16
    np.testing.assert_allclose(params["vertices"].float().numpy(), clip.vertices, atol=6e-4)
    rotation = euler_to_matrix(params["euler"].double().numpy())
    np.testing.assert_allclose(rotation, clip.rotation, atol=1e-6)
    np.testing.assert_allclose(params["shape"].numpy(), clip.model.person(clip.identity), atol=1e-6)


def test_a_long_clips_mesh_is_thinned_until_it_fits(track, clip, tmp_path):
    most = 700 * 6 * len(track.expression)
    write_mesh_track(track, clip.model, tmp_path / "track_params.pt", largest=most)
    params = torch.load(tmp_path / "track_params.pt", weights_only=True)
    vertices, faces = params["vertices"][0].double().numpy(), params["faces"].numpy()
    assert 600 < len(vertices) <= 700 and params["shape"].shape == (len(vertices), 3)
    assert faces.max() < len(vertices) and len(faces) > 900
    nearest = np.linalg.norm(vertices[:, None] - clip.vertices[0], axis=-1).min(axis=1)
    assert nearest.max() < 2e-3  # the kept vertices are the mesh's own

    def area(points, triangles):
        a, b, c = np.moveaxis(points[triangles], 1, 0)
        return np.linalg.norm(np.cross(b - a, c - a), axis=-1).sum()

    assert area(vertices, faces) == pytest.approx(area(clip.vertices[0], clip.model.faces), rel=0.1)


def test_a_thinned_model_keeps_its_landmarks(clip):
    small = thinned(clip.model, 300)
    np.testing.assert_array_equal(small.mean[small.landmarks], clip.model.mean[clip.model.landmarks])
    np.testing.assert_array_equal(small.expression[:, small.landmarks], clip.model.expression[:, clip.model.landmarks])


def test_a_rigid_track_is_carried_over_to_another_frame(clip):
    poses = Poses(clip.rotation, clip.translation)
    true = Similarity(
        Rotation.from_euler("XYZ", [8, -3, 2], degrees=True).as_matrix(), 1.13, np.array([0.05, -0.2, 0.1])
    )
    points = clip.vertices[:, clip.model.landmarks]
    pixels = project(poses.transform(true.apply(points)), 1450.0, (256.0, 256.0))
    pixels = pixels + np.random.default_rng(0).normal(0, 0.2, pixels.shape)
    pixels[:, 3] += 80.0  # one landmark is always elsewhere
    start = Similarity(np.eye(3), 1.0, np.zeros(3))
    found = align(points, pixels, np.full(68, 1.0), poses, 1450.0, (256.0, 256.0), start)
    np.testing.assert_allclose(found.rotation, true.rotation, atol=2e-3)
    assert found.scale == pytest.approx(true.scale, rel=2e-3)
    carried = poses_in(true, poses)
    apart = project(carried.transform(points), 1450.0, (256.0, 256.0)) - project(
        poses.transform(true.apply(points)), 1450.0, (256.0, 256.0)
    )
    np.testing.assert_allclose(apart, 0, atol=1e-8)
