"""What an editor does to a film: takes out pieces (jump cuts), or shows something else for a moment."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

WHOLE_END = 1 / 6  # the share at the end without cuts, so that what is held out is one piece
MOST_REMOVED = 0.25  # of the film's length, that jump cuts take out
ELSEWHERE = 1.3  # s that another scene is shown


def jump_cuts(frames: int, rate: float, rng: np.random.Generator) -> Int[np.ndarray, "N"]:
    """Which of a longer take's frames a film of N frames shows: up to 2 s are missing after every 2 to 3.5 s."""
    kept: list[np.ndarray] = []
    begin, shown, removed = 0, 0, 0
    while shown < frames:
        length = round(float(rng.uniform(2.0, 3.5)) * rate)
        gap = min(round(float(rng.uniform(0.6, 2.0)) * rate), int(MOST_REMOVED * frames) - removed)
        if shown + length > frames * (1 - WHOLE_END) or gap <= 0:
            length, gap = frames - shown, 0
        kept.append(np.arange(begin, begin + length))
        begin, shown, removed = begin + length + gap, shown + length, removed + gap
    return np.concatenate(kept)


def other_scenes(frames: int, rate: float, rng: np.random.Generator) -> Bool[np.ndarray, "N"]:
    """In which frames of a film another scene is shown, without the person: for 1.3 s, about every twelve."""
    away = np.zeros(frames, bool)
    length, begin = round(ELSEWHERE * rate), round(float(rng.uniform(3.0, 4.5)) * rate)
    while begin + length < frames * (1 - WHOLE_END):
        away[begin : begin + length] = True
        begin += round(float(rng.uniform(11, 13)) * rate)
    return away
