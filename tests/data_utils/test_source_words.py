"""What is said of a video whose sound, picture and face are not there all the time."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils.source import Source
from media.images import read_rgb

FPS = 25


@pytest.fixture(scope="module")
def head(dataset):
    return read_rgb(dataset.frame(0))


@pytest.fixture
def video(make_video, head, spoken):
    """``video(seconds, sound, faces)``: a face is shown from and until the second that each of ``faces`` says."""

    def make(seconds: float, sound: float, *faces: tuple[float, float]):
        wall = np.full_like(head, 120)
        times = np.arange(round(seconds * FPS)) / FPS
        shown = [head if any(a <= t < b for a, b in faces) else wall for t in times]
        audio = np.resize(spoken, round(sound * 16000))
        size = head.shape[1], head.shape[0]
        return Source(make_video("take.mp4", times.tolist(), audio=audio, size=size, pictures=shown))

    return make


def said(source, caplog):
    """The warnings, and the error if there is one, in the order in which a user reads them."""
    with caplog.at_level(logging.WARNING):
        try:
            _ = source.crop
        except EGSTalkerError as error:
            return [*caplog.messages, str(error)]
    return list(caplog.messages)


def test_picture_without_sound_is_said_first_and_then_that_the_face_comes_too_late(video, caplog):
    cut, error = said(video(10, 3, (5, 10)), caplog)
    assert cut == "the sound ends after 3.0 of 10.0 s: the last 7.0 s of picture are left out"
    assert error.startswith("no face in the first 3.0 s, all that has sound, but from about 0:05.")
    assert "shows the face from the start" in error


def test_a_face_that_leaves_while_there_is_sound_is_missed_in_the_part_with_sound(video, caplog):
    cut, error = said(video(8, 4, (0, 1.5)), caplog)
    assert "the last 4.0 s of picture are left out" in cut
    assert "the face is away for about" in error and "of the first 4.0 s, all that has sound (0:01." in error


def test_without_any_face_nothing_is_said_of_a_later_one(video, caplog):
    cut, error = said(video(6, 3), caplog)
    assert "the last 3.0 s of picture" in cut
    assert error == (
        "no face in the first 3.0 s, all that has sound; use a video that shows one face from the front throughout"
    )


def test_a_face_that_comes_at_the_very_end_is_told_with_sound_throughout(video, caplog):
    (error,) = said(video(6, 6, (5.6, 6)), caplog)
    assert error.startswith("no face in the video, but from about 0:05.")


def test_a_face_throughout_a_short_sound_is_only_told_what_is_left_out(video, caplog):
    source = video(5, 3, (0, 5))
    assert said(source, caplog) == ["the sound ends after 3.0 of 5.0 s: the last 2.0 s of picture are left out"]
    assert source.info.num_frames == 75
    _ = source.info, source.crop
    assert len(caplog.messages) == 1  # once, however often it is asked


def test_sound_without_picture_is_said_too(video, caplog):
    assert said(video(3, 5, (0, 3)), caplog) == [
        "the picture ends after 3.0 of 5.0 s: the last 2.0 s of sound are left out"
    ]
