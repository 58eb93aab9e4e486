"""motion_report.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.images import read_rgb
from motion.expression_code import ExpressionCode
from motion.report import write_motion_report
from motion.speech_training import Expectation
from tests.motion.faces import made_up_face


def report(target: Path, frames: int, dimensions: int = 3, **changes) -> np.ndarray:
    """The page for a made-up face, as a picture."""
    face, _ = made_up_face(frames=frames, dimensions=dimensions)
    code = ExpressionCode.fit(face, np.arange(frames), lower=2, upper=1)
    measured = code.measure(face)
    figures = {
        "correlation": np.array([0.8, 0.5, 0.4, 0.1]),
        "spread": 0.9,
        "velocity": 0.5,
        "closures_kept": 0.6,
        "closures_false": 0.2,
        "lag": 1,
        "codes": 0.5 * measured,
    }
    usable = np.ones(frames, dtype=bool)
    usable[frames // 2 :][:3] = False
    features = np.random.default_rng(0).normal(size=(frames, 20))
    write_motion_report(target, code, measured, features, usable, Expectation(**{**figures, **changes}))
    return read_rgb(target)


@pytest.mark.parametrize(("frames", "dimensions"), [(600, 3), (30, 2), (8, 3)])
def test_a_page_of_any_clip_is_a_picture(tmp_path, frames, dimensions):
    page = report(tmp_path / "motion_report.png", frames, dimensions)
    assert page.shape == (810, 1080, 3)
    assert (page.reshape(-1, 3) != 255).any(1).mean() > 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["motion_report.png"]


def test_what_was_said_and_what_was_measured_are_both_in_it(tmp_path):
    page = report(tmp_path / "a.png", 100)
    silent = report(tmp_path / "b.png", 100, codes=np.zeros((100, 4), np.float32))
    changed = np.abs(page.astype(int) - silent).max(2) > 30
    rows = np.flatnonzero(changed.any(1))
    assert changed.sum() > 500 and rows.max() < 520  # in the curves, not among the faces


def test_a_clip_whose_lips_never_close_says_so(tmp_path):
    nothing = {"closures_kept": float("nan"), "closures_false": float("nan")}
    assert (
        "no closed lips" in Expectation(np.zeros(4), 1.0, 0.0, **nothing, lag=0, codes=np.zeros((8, 4))).closed_lips()
    )
    assert report(tmp_path / "a.png", 40, **nothing).any()
