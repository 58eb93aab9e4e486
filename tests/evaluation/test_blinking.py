"""How often the eyes of a film blink."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation import blinking
from evaluation.blinking import rate_of_film
from evaluation.landmarks import FaceMotion


def _opening(seconds: int) -> np.ndarray:
    opening = 0.3 + np.random.default_rng(0).normal(0, 0.004, 25 * seconds)
    for onset in range(40, len(opening), 75):
        opening[onset : onset + 4] = 0.15, 0.05, 0.07, 0.2
    return opening


def _rate(monkeypatch: pytest.MonkeyPatch, opening: np.ndarray) -> float | None:
    monkeypatch.setattr(blinking, "watch", lambda frames: FaceMotion(eye_opening=opening.tolist()))
    return rate_of_film([])


def test_blinks_are_counted_by_the_eyes_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = _opening(60)
    assert _rate(monkeypatch, opening) == 20
    opening[700:730] = np.nan  # without a face, and without the blink at 715
    assert _rate(monkeypatch, opening) == pytest.approx(19 * 1500 / 1470)


def test_what_shows_no_face_or_too_little_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _rate(monkeypatch, _opening(60)[:240]) is None
    assert _rate(monkeypatch, np.full(500, np.nan)) is None
