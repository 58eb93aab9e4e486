"""Skin followed with sub-pixel precision."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from arguments.errors import EGSTalkerError
from data_utils.face_tracking.feature_tracks import choose_references, track_features
from data_utils.face_tracking.perspective import Poses
from media.images import read_grey
from tests.data_utils.face_tracking.made_up_head import FOCAL, SIZE

CENTRE = (SIZE / 2, SIZE / 2)


@pytest.fixture(scope="module")
def sliding(tmp_path_factory, scene):
    """A textured picture that slides by known amounts, and first poses that are two pixels off."""
    folder = tmp_path_factory.mktemp("sliding")
    rng = np.random.default_rng(0)
    texture = gaussian_filter(rng.normal(size=(SIZE, SIZE)), 2.0)
    texture = 128 + 40 * texture / texture.std()
    shifts = rng.uniform(-6, 6, (8, 2))
    frames = []
    for i, (dx, dy) in enumerate(shifts):
        moved = cv2.warpAffine(texture, np.array([[1, 0, dx], [0, 1, dy]]), (SIZE, SIZE), flags=cv2.INTER_CUBIC)
        frames.append(folder / f"{i}.jpg")
        cv2.imwrite(str(frames[-1]), np.clip(moved, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 95])
    off = shifts + rng.uniform(-1.5, 1.5, shifts.shape)
    translation = np.column_stack([off[:, 0] * 8 / FOCAL, -off[:, 1] * 8 / FOCAL, np.full(8, -8.0)])
    return frames, shifts, Poses(np.tile(np.eye(3), (8, 1, 1)), translation)


def test_finds_the_same_skin_to_a_tenth_of_a_pixel(sliding, scene):
    frames, shifts, poses = sliding
    usable = np.ones(8, bool)
    usable[5] = False
    tracks = track_features(frames, poses, usable, scene.shape, FOCAL, CENTRE)
    (reference,) = choose_references(poses.rotation, usable)
    assert len(tracks.points) > 20 and not tracks.seen[5].any()
    for i in np.flatnonzero(usable):
        seen = tracks.seen[i] & tracks.seen[reference]
        assert seen.mean() > 0.9
        moved = (tracks.pixels[i] - tracks.pixels[reference])[seen]
        np.testing.assert_allclose(np.median(moved, axis=0), shifts[i] - shifts[reference], atol=0.1)


def test_features_lie_on_the_face_where_they_are_seen(sliding, scene):
    frames, _, poses = sliding
    tracks = track_features(frames, poses, np.ones(8, bool), scene.shape, FOCAL, CENTRE)
    (reference,) = choose_references(poses.rotation, np.ones(8, bool))
    x, y, z = tracks.points.T + poses.translation[reference][:, None]
    pixels = np.stack([SIZE / 2 + FOCAL * x / -z, SIZE / 2 - FOCAL * y / -z], -1)
    np.testing.assert_allclose(pixels, tracks.pixels[reference], atol=1e-6)
    assert (tracks.points[:, 2] > -0.1).all() and (tracks.points[:, 2] < 1.2).all()


def test_matches_far_from_where_the_head_is_are_dropped(sliding, scene, tmp_path):
    frames, _, poses = sliding
    (reference,) = choose_references(poses.rotation, np.ones(8, bool))
    other = (reference + 1) % 8
    unlike = gaussian_filter(np.random.default_rng(9).normal(size=(SIZE, SIZE)), 2.0)
    cv2.imwrite(str(tmp_path / "unlike.png"), np.clip(128 + 300 * unlike, 0, 255).astype(np.uint8))
    frames = [tmp_path / "unlike.png" if i == other else frame for i, frame in enumerate(frames)]
    tracks = track_features(frames, poses, np.ones(8, bool), scene.shape, FOCAL, CENTRE)
    x, y, z = tracks.points.T + poses.translation[other][:, None]
    expected = np.stack([SIZE / 2 + FOCAL * x / -z, SIZE / 2 - FOCAL * y / -z], -1)
    seen = tracks.seen[other]
    assert seen.mean() < 0.97
    assert np.linalg.norm(tracks.pixels[other] - expected, axis=1)[seen].max() < 0.15 * FOCAL / 8


def test_references_are_spread_over_the_poses(scene):
    usable = np.ones(len(scene.rotation), bool)
    yaw = np.arcsin(scene.rotation[choose_references(scene.rotation, usable), 0, 2])
    assert 3 <= len(yaw) <= 10 and np.ptp(yaw) > np.radians(18)


def test_a_broken_frame_is_one_line(tmp_path):
    (tmp_path / "0.jpg").write_bytes(b"not a picture")
    for name, word in (("0.jpg", "whole"), ("1.jpg", "missing")):
        with pytest.raises(EGSTalkerError, match=word):
            read_grey(tmp_path / name)
