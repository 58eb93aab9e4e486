import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_tracking.photometric_adjustment import textured_head
from data_utils.face_tracking.texture_following import follow
from tests.data_utils.face_tracking.painted_head import CENTRE, FOCAL, face, film, look, path

COUNT = 24
ALL = np.ones(COUNT, bool)


def jittered(poses):
    rng = np.random.default_rng(3)
    return poses.moved(np.concatenate([rng.normal(0, 0.005, (COUNT, 3)), rng.normal(0, 0.01, (COUNT, 3))], 1))


def fit(files, start, usable=ALL, masked=True):
    true = path(COUNT)
    mask = (lambda i: look(true[i : i + 1])[1]) if masked else None
    head = textured_head(files, start, usable, face(), FOCAL, CENTRE, mask)
    return None if head is None else follow(files, start, usable, head, FOCAL, CENTRE)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film"), path(COUNT))


def errors(poses):
    return angle_errors(poses.rotation, path(COUNT).rotation)


def test_jitter_of_the_poses_is_taken_out(clean):
    start = jittered(path(COUNT))
    found = fit(clean, start)
    assert rms(errors(start)) > 0.45
    assert rms(errors(found.poses)) < 0.4
    assert rms(np.diff(errors(found.poses), axis=0)) < 0.2 * rms(np.diff(errors(start), axis=0))
    assert found.trust.min() > 0.9


def test_the_face_alone_does_where_no_mask_is_known(clean):
    assert rms(errors(fit(clean, jittered(path(COUNT)), masked=False).poses)) < 0.2


def test_what_covers_the_face_for_a_moment_does_not_pull_the_pose(clean, tmp_path):
    def hand(i, picture):
        picture = picture.copy()
        if 10 <= i < 14:
            picture[110:150, 80:115] = 200
        return picture

    start = jittered(path(COUNT))
    free, covered = fit(clean, start).poses, fit(film(tmp_path, path(COUNT), hand), start).poses
    assert rms(errors(covered) - errors(free)) < 0.25


def test_light_may_change(clean, tmp_path):
    start = jittered(path(COUNT))
    dimmed = film(tmp_path, path(COUNT), lambda i, picture: 20 + picture * (0.7 + 0.01 * i))
    assert rms(errors(fit(dimmed, start).poses) - errors(fit(clean, start).poses)) < 0.15


def test_a_frame_that_shows_something_else_keeps_its_pose(tmp_path):
    noise = np.random.default_rng(0).uniform(0, 255, (240, 240))
    true, start = path(COUNT), jittered(path(COUNT))
    found = fit(film(tmp_path, true, lambda i, picture: noise if i == 7 else picture), start)
    assert found.trust[7] == 0
    assert np.array_equal(found.poses.rotation[7], start.rotation[7])
    assert np.array_equal(found.poses.translation[7], start.translation[7])


def test_frames_without_a_face_are_left_alone(clean):
    start, usable = jittered(path(COUNT)), ALL.copy()
    usable[5] = False
    found = fit(clean, start, usable)
    assert found.trust[5] == 0
    assert np.array_equal(found.poses.rotation[5], start.rotation[5])


def test_a_head_without_texture_is_said_to_be_one(tmp_path):
    assert fit(film(tmp_path, path(COUNT), lambda i, picture: np.full_like(picture, 90)), path(COUNT)) is None


def test_a_broken_picture_is_one_clear_error(tmp_path):
    files = film(tmp_path, path(COUNT))
    files[3].write_bytes(b"not a picture")
    with pytest.raises(EGSTalkerError, match=r"3\.png"):
        fit(files, path(COUNT))
