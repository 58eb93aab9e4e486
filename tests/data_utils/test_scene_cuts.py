"""Cuts, and what looks like one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.scene_cuts import score
from data_utils.scene_cuts import WINDOW, with_cuts
from media.images import read_rgb
from media.video import read_frames
from sample.filming import Figures
from sample.shots import MOVEMENTS, Clip, made_clips


@pytest.fixture(scope="module")
def heads(dataset):
    return [read_rgb(dataset.frame(i)) for i in range(60)]


@pytest.fixture(scope="module")
def figures():
    return Figures.draw()


def cuts(pictures):
    return [i for i, (_, is_cut) in enumerate(with_cuts(pictures, lambda picture: picture)) if is_cut]


def test_a_cut_is_found_where_it_is(heads):
    other = np.clip(heads[0].astype(int)[:, ::-1] // 2 + 90, 0, 255).astype(np.uint8)
    assert cuts([*heads[:20], *[other] * 10, *heads[20:40]]) == [20, 30]


def test_a_talking_moving_fading_and_noisy_head_is_no_cut(heads):
    generator = np.random.default_rng(0)
    moved = [
        np.roll(head, 2 * i, axis=1) * (1 - 0.01 * i) + generator.normal(0, 12, head.shape)
        for i, head in enumerate(heads)
    ]
    assert not cuts([np.clip(picture, 0, 255).astype(np.uint8) for picture in moved])


def test_a_recording_that_stutters_leaps_but_does_not_cut(heads):
    held = [np.roll(heads[i - i % 4], 3 * (i - i % 4), axis=1) for i in range(40)]
    assert not cuts(held)


@pytest.mark.parametrize("count", [0, 1, 2, WINDOW, 2 * WINDOW + 3])
def test_every_picture_comes_back_in_order(heads, count):
    numbered = list(with_cuts(enumerate(heads[:count]), lambda item: item[1]))
    assert [i for (i, _), _ in numbered] == list(range(count))
    assert not any(is_cut for _, is_cut in numbered)


def test_no_more_pictures_are_held_than_are_looked_ahead(heads):
    taken = itertools.count()
    pictures = with_cuts((next(taken) for _ in range(30)), lambda number: heads[number])
    next(pictures)
    assert next(taken) == WINDOW + 1


def test_a_clip_scored_by_hand_counts_what_is_found_missed_and_false(heads):
    other = tuple([heads[0][::-1]] * 12)
    clips = [Clip("found", (*heads[:12], *other), 12), Clip("missed", tuple(heads[:24]), 12)]
    scores = score([*clips, Clip("false", (*heads[:12], *other), None)])
    assert (scores.found, scores.missed, scores.false) == (1, 1, 1)
    assert (scores.precision, scores.recall, scores.clips) == (0.5, 0.5, ["missed", "false"])


def test_made_clips_are_the_same_for_the_same_seed_and_cut_where_they_say(figures):
    one, again = list(made_clips(3, 1, figures)), list(made_clips(3, 1, figures))
    assert all(
        np.array_equal(a, b)
        for x, y in zip(one, again, strict=True)
        for a, b in zip(x.pictures, y.pictures, strict=True)
    )
    cut, movement = one
    changes = np.abs(np.diff(np.stack(cut.pictures).astype(float), axis=0)).mean(axis=(1, 2, 3))
    assert changes.argmax() + 1 == cut.cut
    assert movement.cut is None


def test_cuts_are_told_from_fast_movements(figures):
    scores = score(made_clips(11, len(MOVEMENTS), figures))  # one clip of each kind of movement, two of each of cut
    assert scores.recall >= 0.9 and scores.precision >= 0.9, scores


@pytest.mark.matrix
@pytest.mark.parametrize("seed", [100, 101])
def test_cuts_are_told_from_fast_movements_in_four_hundred_clips(seed, figures):
    scores = score(made_clips(seed, 200, figures))
    assert scores.recall >= 0.98 and scores.precision >= 0.98, scores


@pytest.mark.parametrize(
    ("name", "frames", "expected"),
    [
        ("awkward/two_faces.mp4", None, [64]),
        ("awkward/no_face.mp4", None, []),
        ("anchor_man_de_20s.mp4", None, []),
        ("anchor_man_en_71s.mp4", 200, [176]),  # a jump cut: the same man, a little to the side
    ],
)
def test_cuts_of_real_recordings(clips, name, frames, expected):
    assert cuts(itertools.islice(read_frames(clips / name), frames)) == expected
