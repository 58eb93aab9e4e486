"""The square around the head: where it lies, what it holds, and which clips are refused."""

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils import crop as crop_module
from data_utils.crop import Crop, choose_crop
from media.images import read_rgb


@pytest.fixture(scope="module")
def heads(dataset):
    return [read_rgb(dataset.frame(i)) for i in range(0, 60, 10)]


def on_canvas(head, x, y, width=900, height=480):
    canvas = np.full((height, width, 3), 110, np.uint8)
    canvas[y : y + head.shape[0], x : x + head.shape[1]] = head
    return canvas


def test_a_square_around_the_head_is_kept_whole(heads):
    side = heads[0].shape[0]
    assert choose_crop(heads) == Crop(0, 0, side, side)


def test_a_head_in_a_wide_picture_is_cut_out_with_hair_and_shoulders(heads):
    crop = choose_crop([on_canvas(head, 520, 200) for head in heads])
    side = heads[0].shape[0]
    assert 0.6 * side < crop.side < 1.5 * side
    centre = crop.x + crop.side / 2, crop.y + crop.side / 2
    assert abs(centre[0] - (520 + side / 2)) < 0.2 * side
    assert abs(centre[1] - (200 + side / 2)) < 0.25 * side
    assert crop.size == crop.side
    assert crop.size % 2 == 0
    assert crop(on_canvas(heads[0], 520, 200)).shape == (crop.size, crop.size, 3)


def test_a_wandering_head_stays_inside(heads):
    still = choose_crop([on_canvas(head, 300, 200) for head in heads])
    moving = choose_crop([on_canvas(head, 300 + 12 * i, 200) for i, head in enumerate(heads)])
    assert moving.side >= still.side + 30


def test_a_picture_without_a_face_is_refused(heads):
    nothing = np.full((240, 320, 3), 90, np.uint8)
    with pytest.raises(EGSTalkerError, match="no face"):
        choose_crop([nothing] * 4)
    with pytest.raises(EGSTalkerError, match="away"):
        choose_crop([on_canvas(heads[0], 100, 50), *[on_canvas(np.zeros((9, 9, 3), np.uint8), 0, 0)] * 3])


def crop_of(boxes, width, height, monkeypatch):
    """The crop of a clip whose faces are these (left, top, right, bottom), one in each sample."""
    monkeypatch.setattr(crop_module, "_face_boxes", lambda samples: [np.array([box], float) for box in boxes])
    return choose_crop([np.zeros((height, width, 3), np.uint8)] * len(boxes))


def face_at(x, y, height):
    """Hairline-to-chin box of a face about (x, y)."""
    return x - 0.38 * height, y - height / 2, x + 0.38 * height, y + height / 2


LAYOUTS = {  # width, height, and the face's centre and height
    "a portrait selfie": (1080, 1920, 540, 860, 630),
    "a selfie held low": (1080, 1920, 540, 1150, 600),
    "at the top edge": (1080, 1920, 540, 330, 600),
    "at the bottom edge": (1080, 1920, 540, 1560, 600),
    "at the left edge": (1920, 1080, 200, 540, 400),
    "at the right edge": (1920, 1080, 1750, 540, 400),
    "in a corner": (1920, 1080, 1750, 230, 300),
    "a face that fills a wide picture": (1920, 1080, 960, 590, 640),
    "far away": (1920, 1080, 700, 300, 120),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("wander", [0.0, 0.06])
def test_hair_and_chin_are_inside_wherever_the_picture_has_them(name, wander, monkeypatch):
    width, height, x, y, face = LAYOUTS[name]
    steps = wander * face * np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)] * 6)
    boxes = [face_at(x + dx, y + dy, face) for dx, dy in steps]
    crop = crop_of(boxes, width, height, monkeypatch)
    assert 0 <= crop.x <= width - crop.side
    assert 0 <= crop.y <= height - crop.side
    slack = 2 + 0.02 * face  # half a pixel's roundings, and heads that are further out in one sample of twenty
    tops = [max(top - 0.5 * face, 0) for _, top, _, _ in boxes]
    chins = [min(bottom + 0.1 * face, height) for *_, bottom in boxes]
    sides = [(max(left, 0), min(right, width)) for left, _, right, _ in boxes]
    assert max(chins) <= crop.y + crop.side + slack
    if max(chins) - min(tops) < crop.side:
        assert crop.y <= min(tops) + slack
    assert crop.x <= min(left for left, _ in sides) + slack
    assert crop.x + crop.side >= max(right for _, right in sides) - slack


def test_with_room_enough_the_square_lies_as_ever(monkeypatch):
    crop = crop_of([face_at(960, 500, 200)] * 30, 1920, 1080, monkeypatch)
    assert (crop.x, crop.y, crop.side) == (960 - 240, 500 + 20 - 240, 480)


def test_a_head_taller_than_the_square_keeps_its_chin_and_the_log_says_so(monkeypatch, caplog):
    crop = crop_of([face_at(540, 900, 800)] * 30, 1080, 1920, monkeypatch)
    assert crop.side == 1080
    assert abs(crop.y + crop.side - (1300 + 80)) <= 1
    assert [record.getMessage() for record in caplog.records] == [
        "the head is 1280 pixels tall as it moves, the square can have 1080: it holds the chin, not all of the hair"
    ]
    caplog.clear()
    crop_of([face_at(540, 860, 630)] * 30, 1080, 1920, monkeypatch)
    assert not caplog.records
