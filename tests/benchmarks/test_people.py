"""The benchmark on made-up people: a part of it is run as a user runs it."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from benchmarks import people
from sample.people import PEOPLE
from sample.performance import HELD_OUT, blink_times
from tests.tiny_head import make_dataset

TINY = """
ModelSettings = dict(initial_gaussians=100, feature_dim=8, heads=2, agents=4, plane_levels=2, plane_log2_entries=6)
TrainingSettings = dict(coarse_iterations=2, iterations=3, batch=2, min_gaussians=50, motion_frames=2)
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["people", *map(str, arguments)])
    return people.main()


@pytest.mark.slow
def test_tracker_and_parser_are_right_about_people_on_a_quick_look(tmp_path, monkeypatch, capsys):
    kept, asked = tmp_path / "people.json", ("--quick", "--size", 192, "--output_dir", tmp_path / "out")
    assert run(monkeypatch, *asked, "--seconds", 3, "--cases", "usual,webcam", "--json", kept) == 0
    rows = {row["case"]: row for row in json.loads(kept.read_text())["rows"]}
    assert list(rows) == ["usual", "webcam"]
    for row in rows.values():
        assert row["frames"] == 75
        assert row["median_pixels"] < 1.0 and row["jitter_degrees"] < 0.5
        assert row["rotation_degrees"] < 5  # three seconds with little turning do not tell turn and depth apart
        assert row["head_iou"] > 0.9 and row["body_iou"] > 0.9 and row["background_levels"] < 12
        assert row["frames_off"] < 0.1 and row["untrusted"] < 0.1
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 4 and "| usual | " in printed.out and "min left" in printed.err


def test_a_head_is_trained_and_scored(tmp_path, monkeypatch):
    (tmp_path / "tiny.py").write_text(TINY)
    monkeypatch.setattr(people, "CONFIGS", tmp_path / "tiny.py")
    monkeypatch.setattr(people, "COARSE_ITERATIONS", 2)
    dataset = make_dataset(tmp_path / "set").root
    scores = people.scores_of_head(dataset, tmp_path / "model", 3)
    assert not (tmp_path / "model" / "motion" / "speech.safetensors").exists()
    assert scores["head_psnr"] is not None and scores["head_psnr"] > 8
    assert scores["head_off"] is None and scores["blink_depth"] is None  # its head is a plain disc
    assert set(scores) <= set(people.COLUMNS)


def test_a_film_that_is_refused_is_told_and_the_others_are_judged(tmp_path, monkeypatch, capsys):
    def judge(name, folder, scale):
        if name == "hands":
            raise EGSTalkerError("the face is lost")
        return {"case": name, "head_iou": 0.5, "frames_off": 0.25}

    monkeypatch.setattr(people, "judge", judge)
    assert run(monkeypatch, "--output_dir", tmp_path, "--cases", "hands, light") == 1
    printed = capsys.readouterr()
    assert "hands: the face is lost" in printed.out and "1 of 2 failed: hands" in printed.err
    (line,) = (line for line in printed.out.splitlines() if line.startswith("| light"))
    assert "| 0.500 |" in line and "| 25 |" in line


def test_all_people_are_judged_unless_some_are_named(tmp_path, monkeypatch, capsys):
    asked: list[str] = []
    monkeypatch.setattr(people, "judge", lambda name, folder, scale: asked.append(name) or {"case": name})
    assert run(monkeypatch, "--output_dir", tmp_path) == 0
    assert asked == list(PEOPLE) and len(asked) >= 12
    assert run(monkeypatch, "--output_dir", tmp_path, "--cases", "nobody") == 1
    assert "nobody is called 'nobody'" in capsys.readouterr().err


def test_the_films_are_long_enough_for_held_out_blinks():
    scale = people.Scale()
    middles = blink_times(scale.seconds, np.random.default_rng(0))
    assert (middles > scale.seconds * (1 - HELD_OUT)).sum() == 2
