"""The side of the frames is a setting: never more than the video has, remembered, and one for all of a dataset."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils import process
from data_utils.crop import choose_crop
from data_utils.source import chosen_size, locate, with_size, with_track
from media.images import read_rgb
from media.video import probe
from tests.data_utils.runs import ran
from training.dataset import TalkingHeadDataset


@pytest.fixture
def copy(copy, monkeypatch):
    """The sample, of 192 pixels a side, and its dataset, to be changed at will; half of its side may be asked for."""
    monkeypatch.setattr("data_utils.source.SIZES", (64, 1024))
    return copy


def test_a_square_is_scaled_down_to_the_size_and_never_up(dataset):
    head = read_rgb(dataset.frame(0))
    canvas = np.full((480, 900, 3), 110, np.uint8)
    canvas[200 : 200 + len(head), 520 : 520 + len(head)] = head
    whole = choose_crop([canvas] * 3, size=1024)
    small = choose_crop([canvas] * 3, size=100)
    assert whole.size == whole.side > 150
    assert (small.x, small.y, small.side, small.size) == (whole.x, whole.y, whole.side, 100)
    assert small(canvas).shape == (100, 100, 3)


@pytest.mark.parametrize("size", [-512, 0, 254, 513, 1026])
def test_a_size_out_of_range_is_answered_in_one_line(size, talking_head, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["process.py", str(talking_head), "--size", str(size)])
    assert process.main() == 1
    assert capsys.readouterr().err == f"error: --size is an even number from 256 to 1024, not {size}\n"


def test_the_size_is_remembered_and_all_that_is_made_of_frames_follows(copy, caplog):
    assert ran(copy, size=96) == [3, 4, 5, 6, 7, 8, 9]
    assert probe(copy.video).width == 96
    for picture in (copy.frame(7), copy.parsing_map(7), copy.background, copy.ground_truth_image(7)):
        assert read_rgb(picture).shape == (96, 96, 3)
    assert TalkingHeadDataset(copy.root).camera[0].intrinsics[0, 0, 2] == 48
    assert ran(copy) == ran(copy, size=96) == []
    assert not any("pixels a side" in text for text in caplog.messages)


def test_a_dataset_is_not_made_of_frames_of_two_sizes(copy):
    assert ran(copy, only=3, size=96) == [3]
    with pytest.raises(EGSTalkerError, match=r"another size .*; run preprocess\.sh with --task 4, then with --task 5"):
        TalkingHeadDataset(copy.root)
    with pytest.raises(EGSTalkerError, match=r"task 5 needs parsing/ of --size 96: run --task 4 --size 96"):
        ran(copy, only=5)
    with pytest.raises(EGSTalkerError, match=r"task 9 needs track_params\.pt of --size 96: run --task 8 --size 96"):
        ran(copy, only=9)
    with pytest.raises(EGSTalkerError, match=r"task 7 needs ori_imgs/ of --size 128: run --task 3 --size 128"):
        ran(copy, only=7, size=128)
    assert ran(copy, only=4) == [4] and ran(copy, only=5) == [5]


def test_more_pixels_than_there_are_is_said_with_their_number(copy, caplog):
    with caplog.at_level(logging.WARNING):
        assert ran(copy, only=3, size=768) == [3]
    (line,) = (text for text in caplog.messages if "pixels a side" in text)
    assert "has 192 pixels a side" in line and "not 768" in line
    assert read_rgb(copy.frame(0)).shape == (192, 192, 3)


def test_without_the_video_only_the_size_that_there_is_will_do(copy, tmp_path):
    (tmp_path / "head.mp4").unlink()
    with pytest.raises(EGSTalkerError, match=r"put it beside the folder as head\.mp4, or leave out --size"):
        ran(copy, size=768)
    assert ran(copy) == ran(copy, size=512) == []
    copy.update_record(asked_size=768)
    assert chosen_size(locate(copy.root)[1], 768, copy) == chosen_size(None, None, copy) == 768


def test_a_source_keeps_what_it_remembers_where_nothing_is_changed(copy):
    source = locate(copy.root)[1]
    crop = source.crop
    assert with_size(with_track(source, None, copy), None) is source and source.crop is crop
    assert with_size(source, 96).crop.size == 96
