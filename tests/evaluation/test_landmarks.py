"""Mouth and eyes over time, from planted motion and from a real face."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from evaluation.landmarks import (
    FaceMotion,
    FaceWatcher,
    blink_correlation,
    blink_depth,
    landmark_distance,
    landmark_distance_relative,
    watch,
)
from evaluation.mouth import mouth_figures
from media.video import read_frames


def _motion(openings: list[float], shift: float = 0.0) -> FaceMotion:
    points = [np.full((20, 2), shift + opening) for opening in openings]
    blinks = [1 - opening for opening in openings]
    return FaceMotion(points, list(openings), list(openings), blinks, [40.0] * len(openings))


def test_distance_is_the_mean_length_of_the_offsets() -> None:
    moved = _motion([0.1, 0.5, 0.2])
    moved.mouth_points = [points + np.array([3.0, 4.0]) for points in moved.mouth_points]
    assert landmark_distance(moved, _motion([0.1, 0.5, 0.2])) == pytest.approx(5.0)


def test_relative_to_the_eyes_distance_a_larger_picture_changes_nothing() -> None:
    truth, moved = _motion([0.1, 0.5, 0.2]), _motion([0.1, 0.5, 0.2])
    moved.mouth_points = [points + np.array([3.0, 4.0]) for points in moved.mouth_points]
    assert landmark_distance_relative(moved, truth) == pytest.approx(5 / 40)
    for motion in (truth, moved):
        motion.mouth_points = [2 * points for points in motion.mouth_points]
        motion.eye_distance = [80.0] * 3
    assert landmark_distance(moved, truth) == pytest.approx(10.0)
    assert landmark_distance_relative(moved, truth) == pytest.approx(5 / 40)


def test_frames_without_a_face_count_neither_as_right_nor_wrong() -> None:
    lost = _motion([0.1, np.nan, 0.9, 0.2])
    assert landmark_distance(lost, _motion([0.1, 0.5, 0.9, 0.2])) == 0
    assert mouth_figures(lost, _motion([0.1, 0.5, 0.9, 0.2]))["mouth_correlation"] == pytest.approx(1.0)
    assert lost.frames_without_face == 1


def test_without_any_face_everything_is_undefined() -> None:
    nobody, somebody = _motion([np.nan] * 5), _motion([0.1, 0.3, 0.2, 0.4, 0.1])
    assert landmark_distance(nobody, somebody) is None
    assert set(mouth_figures(nobody, somebody).values()) == set(mouth_figures(somebody, nobody).values()) == {None}
    assert blink_correlation(somebody, nobody) is None
    assert landmark_distance(FaceMotion(), FaceMotion()) is None


def test_blinks_are_judged_by_the_eyes_and_speech_by_the_mouth() -> None:
    truth, render = _motion([0.1, 0.6, 0.2, 0.5]), _motion([0.1, 0.6, 0.2, 0.5])
    render.eye_opening = [-opening for opening in render.eye_opening]
    assert mouth_figures(render, truth)["mouth_correlation"] == pytest.approx(1.0)
    assert blink_correlation(render, truth) == pytest.approx(-1.0)


def _eyes(*openings: float) -> FaceMotion:
    return FaceMotion(eye_opening=list(openings), mouth_opening=[0.0] * len(openings), lip_gap=[0.0] * len(openings))


def test_blinks_are_as_deep_as_the_eyes_close_in_the_true_ones() -> None:
    truth = _eyes(0.3, 0.3, 0.1, 0.3, 0.3, 0.3, 0.15, 0.1, 0.3, 0.3)
    assert blink_depth(truth, truth) == pytest.approx(1.0)
    half_way = _eyes(*[0.3 - (0.3 - opening) / 2 for opening in truth.eye_opening])
    assert blink_depth(half_way, truth) == pytest.approx(0.5) and blink_correlation(half_way, truth) == pytest.approx(1)
    late = _eyes(0.2, 0.2, 0.2, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2)  # the first, a frame late; the second not at all
    assert blink_depth(late, truth) == pytest.approx((0.1 / 0.2 + 0) / 2)


def test_the_depth_of_blinks_is_a_share_of_the_true_ones() -> None:
    lids = np.ones(40)
    lids[10:13], lids[30:32] = 0.0, 0.2
    true = 0.1 + 0.2 * lids
    half = 0.3 - 0.5 * (0.3 - true)
    assert blink_depth(_eyes(*true), _eyes(*true)) == pytest.approx(1)
    assert blink_depth(_eyes(*half), _eyes(*true)) == pytest.approx(0.5)
    assert blink_depth(_eyes(*[0.3] * 40), _eyes(*true)) == pytest.approx(0)
    assert blink_depth(_eyes(*true), _eyes(*[0.3] * 40)) is None


def test_blinks_that_nobody_makes_or_sees_have_no_depth() -> None:
    truth = _eyes(0.3, 0.3, 0.1, 0.3, 0.3)
    assert blink_depth(_eyes(0.3, 0.3, 0.29, 0.3, 0.3), _eyes(0.3, 0.28, 0.25, 0.3, 0.3)) is None
    assert blink_depth(_eyes(0.3, 0.3, np.nan, 0.3, 0.3), truth) is None
    assert blink_depth(_eyes(*[np.nan] * 5), truth) is None


def test_a_real_face_agrees_with_itself_and_a_moved_one_is_off_by_its_motion(clips: Path) -> None:
    frames = list(islice(read_frames(clips / "anchor_man_de_20s.mp4"), 10))
    truth, again = watch(frames), watch(np.roll(frame, 6, axis=1) for frame in frames)
    assert truth.frames_without_face == again.frames_without_face == 0
    assert landmark_distance(again, truth) == pytest.approx(6.0, abs=1.5)
    assert (mouth_figures(again, truth)["mouth_correlation"] or 0) > 0.8


def test_frames_that_are_skipped_keep_their_place_and_do_not_count_as_without_a_face() -> None:
    with FaceWatcher() as watcher:
        watcher.see(np.full((96, 96, 3), 128, np.uint8))
        watcher.skip(2)
    assert len(watcher.motion.mouth_points) == len(watcher.motion.lip_gap) == 3
    assert watcher.motion.frames_without_face == 1


def test_a_picture_without_a_face_is_nan() -> None:
    motion = watch([np.full((96, 96, 3), 128, np.uint8)] * 2)
    assert motion.frames_without_face == 2
    assert np.isnan(motion.mouth_points).all() and np.isnan(motion.eye_opening).all()
