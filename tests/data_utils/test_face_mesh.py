import logging

import numpy as np
import pytest

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.face_mesh import (
    eye_distance,
    eye_opening,
    lip_gap,
    load_or_detect,
    mouth_opening,
    to_68,
)
from data_utils.lost_frames import interpolate_lost
from media.images import read_rgb, write_image


@pytest.fixture
def clip(tmp_path, dataset):
    """A folder with 20 frames of the sample; ``hide`` blanks some of them."""
    folder = DatasetFolder(tmp_path / "clip")

    def hide(*frames):
        for i in range(20):
            image = read_rgb(dataset.frame(i))
            write_image(folder.frame(i), np.full_like(image, 127) if i in frames else image)
        return folder

    return hide


def test_the_face_is_found_where_it_is(dataset, talking_head):
    truth = np.load(talking_head.with_name("head_truth.npz"))
    track = load_or_detect(dataset)
    assert track.found.all()
    for points, mask in zip(track.points[::10], truth["mask"][::10], strict=True):
        x, y = points[:, :2].astype(int).T
        assert (mask[y, x] == 1).mean() > 0.95


def test_the_mouth_follows_the_truth(dataset, talking_head):
    truth = np.load(talking_head.with_name("head_truth.npz"))
    points = load_or_detect(dataset).points
    assert np.corrcoef(mouth_opening(points), truth["mouth_open"])[0, 1] > 0.9


def test_openings_ignore_a_turned_and_scaled_head(dataset):
    points = load_or_detect(dataset).points[:5]
    angle = 0.6
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turned = 3 * points @ turn.T + 40
    np.testing.assert_allclose(mouth_opening(turned), mouth_opening(points), rtol=1e-3)
    np.testing.assert_allclose(eye_opening(turned), eye_opening(points), rtol=1e-3)


def test_lips_that_touch_in_the_picture_have_no_gap_whatever_their_depth_is_thought_to_be():
    points = np.zeros((2, 478, 3))
    points[:, 263, 0] = 100  # the outer eye corners are 100 apart
    points[:, [82, 13, 312], 2] = 4  # the upper lip, in depth
    points[1, [87, 14, 317], 1] = 3  # the lower lip, below it in the second frame
    np.testing.assert_allclose(eye_distance(points), 100)
    np.testing.assert_allclose(lip_gap(points), [0, 0.03])
    np.testing.assert_allclose(mouth_opening(points), [0.04, 0.05])


def test_the_68_are_in_ibugs_order(dataset):
    left_jaw, chin, right_jaw, nose_tip, right_eye, left_eye, lip = to_68(load_or_detect(dataset).points)[
        0, [0, 8, 16, 30, 36, 45, 57]
    ]
    assert left_jaw[0] < right_eye[0] < nose_tip[0] < left_eye[0] < right_jaw[0]
    assert right_eye[1] < nose_tip[1] < lip[1] < chin[1]


def test_lost_frames_lie_between_their_neighbours():
    points = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 478, 3), np.float32)
    found = np.array([False, True, False, False, True, False])
    filled = interpolate_lost(np.where(found[:, None, None], points, 99), found)
    np.testing.assert_allclose(filled[:, 0, 0], [1, 1, 2, 3, 4, 4])


def test_a_face_lost_for_a_while_is_interpolated_and_said_so(clip, caplog):
    folder = clip(7, 8, 15)
    with caplog.at_level(logging.WARNING):
        track = load_or_detect(folder)
    assert (~track.found).nonzero()[0].tolist() == [7, 8, 15]
    assert "3 of 20 frames: 0:00.3, 0:00.6" in caplog.text
    assert folder.read_record()["lost_frames"] == [7, 8, 15]
    assert np.abs(track.points[7] - track.points[6]).max() < 20


def test_a_face_lost_too_often_is_refused(clip):
    folder = clip(*range(5, 10))
    with pytest.raises(EGSTalkerError, match=r"5 of 20 frames \(0:00\.2-0:00\.4\)"):
        load_or_detect(folder)
    assert not folder.face_mesh.exists()
    with pytest.raises(EGSTalkerError, match="no face"):
        load_or_detect(clip(*range(20)))


def test_a_damaged_or_old_cache_is_made_anew(clip):
    folder = clip()
    points = load_or_detect(folder).points
    folder.face_mesh.write_bytes(folder.face_mesh.read_bytes()[:1000])
    np.testing.assert_array_equal(load_or_detect(folder).points, points)
    write_image(folder.frame(20), read_rgb(folder.frame(0)))
    assert len(load_or_detect(folder).points) == 21
