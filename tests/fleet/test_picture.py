"""The picture of a head in the report."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fleet.picture import ROWS, WIDTH, picture_of
from fleet.stages import Head
from media.images import write_image
from training import validation


def shown(head: Head) -> np.ndarray:
    data = picture_of(head)
    assert data is not None
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_head_shows_its_frame_then_what_it_has_learnt(tmp_path: Path):
    head = Head("anna", tmp_path)
    assert picture_of(head) is None
    write_image(head.dataset.frame(0), np.full((96, 64, 3), (200, 10, 10), np.uint8))
    assert shown(head).shape == (96, 64, 3)
    rows = [np.full((200, 720, 3), 60 * row, np.uint8) for row in range(1, ROWS + 1)]
    write_image(head.model.validation("fine", 500), np.zeros((40, 30, 3), np.uint8))
    write_image(head.model.validation("fine", 1000), np.concatenate(rows))
    picture = shown(head)
    assert picture.shape == (100, WIDTH, 3)
    assert abs(picture.astype(int) - 60).max() < 3  # of the latest the first row
    assert validation.ROWS == ROWS


def test_a_damaged_picture_is_none(tmp_path: Path):
    head = Head("anna", tmp_path)
    head.dataset.frame(0).parent.mkdir(parents=True)
    head.dataset.frame(0).write_bytes(b"no picture")
    assert picture_of(head) is None
