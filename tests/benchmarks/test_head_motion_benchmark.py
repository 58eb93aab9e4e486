"""Made motion beside the clip's."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import head_motion
from motion.head_motion import HeadMotion
from tests.motion.test_frame_path import swaying
from tests.tiny_head import make_dataset


def _motion(count: int = 900) -> HeadMotion:
    return HeadMotion.of_clip(swaying(count), [(0, count)], np.ones(count), np.ones(count))


def test_made_motion_is_like_the_clips():
    motion = _motion()
    poses, _ = motion.generate(6000, 1)
    figures = head_motion.figures_of(motion, poses)
    assert figures["turn_fastest"] <= 1 + 1e-9 and figures["shift_fastest"] <= 1 + 1e-9
    assert 0.6 < figures["turn_spread"] < 1.5 and 0.3 < figures["spectrum_ratio"] < 3


def test_a_head_that_trembles_is_told_by_its_spectrum():
    motion = _motion()
    poses = motion.generate(6000, 1)[0].copy()
    poses[:, :3, 3] += np.random.default_rng(0).normal(0, 0.1, (6000, 3))
    figures = head_motion.figures_of(motion, poses)
    assert figures["shift_fastest"] > 3 and figures["spectrum_ratio"] > 2


def test_the_command_writes_figures_and_a_picture(tmp_path, monkeypatch, capsys):
    dataset = make_dataset(tmp_path / "set", num_frames=300)
    words = ("-s", dataset.root, "--minutes", "0.5", "--output", tmp_path / "a.png", "--json", tmp_path / "a.json")
    monkeypatch.setattr(sys, "argv", ["head_motion", *map(str, words)])
    assert head_motion.main() == 0
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert set(json.loads((tmp_path / "a.json").read_text())) >= {"turn_fastest", "spectrum_ratio"}
    assert "| shift_spread |" in capsys.readouterr().out


def test_a_short_clip_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    dataset = make_dataset(tmp_path / "set", num_frames=60)
    monkeypatch.setattr(sys, "argv", ["head_motion", "-s", str(dataset.root)])
    assert head_motion.main() == 1
    assert "no unbroken stretch of 10 s" in capsys.readouterr().err


@pytest.mark.parametrize("name", head_motion.NAMES)
def test_every_axis_has_a_name(name):
    assert len(head_motion.NAMES) == head_motion.numbers_of(swaying(5), swaying(5)).shape[1] and name
