import itertools
import logging

import cv2
import numpy as np
import pytest

from arguments.clock import timestamp
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.crop import choose_crop
from data_utils.face_mesh import load_or_detect
from data_utils.one_face import Sightings, box_of, follow
from data_utils.person import likeness, of_one_person
from data_utils.timeline import spans
from media.images import read_rgb, write_image
from media.video import read_frames

SIZE = 192
LEFT, RIGHT = 4, 204  # where the two stand on a picture of 400 x 192


@pytest.fixture(scope="module")
def heads(dataset):
    return [read_rgb(dataset.frame(i)) for i in range(60)]


def scene(head, *, left=None, right=None, shade=110):
    """A picture of 400 x 192 with the head where it is wanted; the number is its scale."""
    canvas = np.full((SIZE, 400, 3), shade, np.uint8)
    for x, scale in ((LEFT, left), (RIGHT, right)):
        if scale:
            small = cv2.resize(head, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            canvas[: len(small), x : x + small.shape[1]] = small
    return canvas


def sides(sightings):
    """L, R or - for each frame."""
    x = box_of(sightings.points)[:, 0]
    return "".join("-" if not f else "L" if x < 200 else "R" for x, f in zip(x, sightings.found, strict=True))


def test_one_of_two_is_followed_even_while_hidden(heads):
    pictures = [scene(head, left=0.7, right=1) for head in heads[:30]]
    for picture in pictures[12:20]:
        picture[40:150, RIGHT + 50 : RIGHT + 140] = 127  # a hand before the face
    seen = follow(pictures)
    assert sides(seen) == "R" * 12 + "-" * 8 + "R" * 10
    assert seen.begins.nonzero()[0].tolist() == [0]


def test_another_face_is_noticed(heads):
    alone = [scene(head, right=1) for head in heads[:26]]
    assert not follow(alone).others.any()
    joined = [scene(head, right=1, left=0.8 if i >= 20 else None) for i, head in enumerate(heads[:26])]
    assert follow(joined).others.nonzero()[0].tolist() == [20, 25]  # at the cut, then once a second


def test_after_a_cut_the_one_who_is_seen_longest_counts(heads):
    pictures = [scene(head, left=1) if i < 10 else scene(head, right=1, shade=20) for i, head in enumerate(heads[:40])]
    seen = follow(pictures)
    assert seen.cuts.nonzero()[0].tolist() == [10]
    assert sides(seen) == "L" * 10 + "R" * 30
    assert of_one_person(seen).tolist() == [False] * 10 + [True] * 30


def made_up(*shots):
    """Sightings of (frames, seed of the face's looks) shots at one place, cut one after the other."""
    sizes = [count for count, _ in shots]
    portraits, start = {}, 0
    for count, seed in shots:
        looks = np.random.default_rng(seed).normal(size=(64, 64))
        for i in range(start, start + count, 5):
            noisy = looks + 0.4 * np.random.default_rng(1000 + i).normal(size=(64, 64))
            portraits[i] = (noisy / np.linalg.norm(noisy)).astype(np.float32)
        start += count
    begins = np.isin(np.arange(start), np.cumsum([0, *sizes]))
    square = np.zeros((start, 478, 3), np.float32)
    square[:, 0, :2], square[:, 1, :2] = 40, 90
    square[:, 2:, :2] = 60
    cuts = begins & (np.arange(start) > 0)
    return Sightings(square, np.ones(start, bool), begins, cuts, np.zeros(start, bool), portraits)


def test_someone_else_at_the_same_place_is_told_by_looks():
    shown = of_one_person(made_up((30, 1), (20, 2), (15, 1)))
    assert shown.tolist() == [True] * 30 + [False] * 20 + [True] * 15


def test_ranges_followed_apart_join_without_a_seam():
    whole = made_up((30, 1), (20, 2), (15, 1))
    joined = Sightings.join([whole[0:20], whole[20:45], whole[45:65]])
    assert of_one_person(joined).tolist() == of_one_person(whole).tolist()
    assert sorted(joined.portraits) == sorted(whole.portraits)


@pytest.fixture
def clip(tmp_path):
    def write(pictures):
        folder = DatasetFolder(tmp_path / "clip")
        for i, picture in enumerate(pictures):
            write_image(folder.frame(i), picture)
        return folder

    return write


def test_cuts_others_and_strangers_are_said_with_their_times(clip, heads, caplog):
    pictures = [scene(head, left=1) if i < 10 else scene(head, right=1, shade=20) for i, head in enumerate(heads)]
    pictures[50:] = [scene(head, right=1, left=0.8, shade=20) for head in heads[50:]]
    with caplog.at_level(logging.WARNING):
        folder = clip(pictures)
        track = load_or_detect(folder)
    assert folder.read_record()["scene_cuts"] == [10, 50]
    said = "\n".join(caplog.messages)
    assert "the picture cuts at 0:00.4" in said
    assert "another face is in the picture at 0:02.0" in said
    assert "someone else is shown, and counts as the face being lost, at 0:00.0-0:00.4" in said
    assert (~track.found).nonzero()[0].tolist() == list(range(10))
    assert box_of(track.points)[:, 0].min() > 200  # interpolated from the one who counts


def test_too_much_of_someone_else_is_refused(clip, heads):
    pictures = [scene(head, left=1) if i < 20 else scene(head, right=1, shade=20) for i, head in enumerate(heads)]
    with pytest.raises(EGSTalkerError, match=r"someone else or nobody is shown in 20 of 60 frames \(0:00\.0-0:00\.8\)"):
        load_or_detect(clip(pictures))


def test_the_crop_is_of_the_person_who_is_seen_longest(heads, caplog):
    samples = [scene(head, right=0.8, left=1 if i < 4 else None) for i, head in enumerate(heads[::6])]
    with caplog.at_level(logging.WARNING):
        crop = choose_crop(samples, 2.4)
    centre = crop.x + crop.side / 2
    assert abs(centre - (RIGHT + 0.4 * SIZE)) < 0.25 * SIZE
    assert "other people are seen at about 0:00.0-0:00.8" in caplog.text


@pytest.mark.parametrize(("name", "start", "same"), [("de_20s", 0, False), ("en_71s", 30, True)])
def test_real_people_are_told_apart_and_recognised(clips, name, start, same):
    def portraits(path, first):
        pictures = itertools.islice(read_frames(clips / path), 25 * first, 25 * first + 20)
        return np.array([portrait.ravel() for portrait in follow(pictures).portraits.values()])

    alike = likeness(portraits("anchor_man_en_71s.mp4", 0), portraits(f"anchor_man_{name}.mp4", start))
    assert (alike > 0.68) == same, alike


def test_times_are_minutes_and_seconds():
    assert [timestamp(0), timestamp(7.26), timestamp(59.97), timestamp(75.4)] == [
        "0:00.0",
        "0:07.3",
        "1:00.0",
        "1:15.4",
    ]
    marked = np.zeros(2000, bool)
    marked[[0, 25, 26, 1885]] = True
    assert spans(marked) == "0:00.0, 0:01.0, 1:15.4"
    assert spans(np.arange(200) % 2 == 0, most=2).endswith("and 98 more")
