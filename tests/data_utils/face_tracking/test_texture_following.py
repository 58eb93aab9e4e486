"""Quick turns and blur: the painted egg turns so fast that its first poses stay behind."""

import numpy as np
import pytest

from benchmarks.track_accuracy import angle_errors
from data_utils.face_tracking.perspective import Poses
from data_utils.face_tracking.photometric_adjustment import textured_head
from data_utils.face_tracking.texture_following import follow
from tests.data_utils.face_tracking.painted_head import CENTRE, FOCAL, face, film, look, path

COUNT = 30
TURN = slice(12, 18)
ALL = np.ones(COUNT, bool)


def left_behind(poses: Poses, degrees: float) -> Poses:
    """The poses as landmarks tell them in a quick turn: those of TURN are off by an angle."""
    step = np.zeros((COUNT, 6))
    step[TURN, 1] = np.radians(degrees)
    return poses.moved(step)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    files = film(tmp_path_factory.mktemp("film"), path(COUNT))
    head = textured_head(files, path(COUNT), ALL, face(), FOCAL, CENTRE, lambda i: look(path(COUNT)[i : i + 1])[1])
    return files, head


def off(found):
    return np.linalg.norm(angle_errors(found.poses.rotation, path(COUNT).rotation), axis=1)


@pytest.mark.parametrize("degrees", [4, 12])
def test_frames_that_landmarks_misplace_are_found_by_texture(clean, degrees):
    found = follow(clean[0], left_behind(path(COUNT), degrees), ALL, clean[1], FOCAL, CENTRE)
    assert off(found)[TURN].max() < 1.0
    assert found.trust.min() > 0.8


def test_a_blurred_turn_is_followed_at_a_coarser_level(clean, tmp_path):
    def blurred(i, picture):
        return (
            sum(np.roll(picture, shift, axis=1) for shift in range(-6, 7)) / 13
            if TURN.start <= i < TURN.stop
            else picture
        )

    found = follow(film(tmp_path, path(COUNT), blurred), left_behind(path(COUNT), 4), ALL, clean[1], FOCAL, CENTRE)
    assert (found.trust > 0).all()
    assert off(found)[TURN].max() < 2.0


def test_what_shows_no_head_is_not_trusted_and_keeps_its_pose(clean, tmp_path):
    noise = np.random.default_rng(1).uniform(0, 255, (240, 240))
    files = film(tmp_path, path(COUNT), lambda i, picture: noise if 8 <= i < 11 else picture)
    start = left_behind(path(COUNT), 3)
    found = follow(files, start, ALL, clean[1], FOCAL, CENTRE)
    assert np.flatnonzero(found.trust == 0).tolist() == [8, 9, 10]
    np.testing.assert_array_equal(found.poses.rotation[8:11], start.rotation[8:11])


def test_no_pose_is_carried_across_a_cut(clean):
    start = left_behind(path(COUNT), 60)  # so far that only its neighbours can tell
    carried = follow(clean[0], start, ALL, clean[1], FOCAL, CENTRE)
    cut = follow(clean[0], start, ALL, clean[1], FOCAL, CENTRE, cuts=[TURN.start, TURN.stop])
    assert off(carried)[TURN].max() < 1.0
    assert (cut.trust[TURN] == 0).all() and (cut.trust[: TURN.start] > 0.8).all()
