import numpy as np
import pytest

from arguments.errors import EGSTalkerError
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
