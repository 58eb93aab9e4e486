"""How far the sound of a clip and its pictures are apart.

What predicts the lips hears a stretch of sound and makes up for a shift of a few frames unseen. Single frames cannot:
of regressions from the sound of one frame each, that of the right one foretells the lips best.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

FARTHEST = 12  # frames to each side that are looked at
LEAST = 8 * FARTHEST  # frames without which nothing is said
FOLDS = 5
RIDGE = 0.1  # of the features' variance
SURE = 0.3  # correlation from which on an agreement is one
IN_STEP = range(-2, 2)  # frames by which lips come after their sound; people's get ready about one before it


def sound_lag(
    features: Float[np.ndarray, "N D"], gap: Float[np.ndarray, "N"], usable: Bool[np.ndarray, "N"]
) -> int | None:
    """Frames by which lips come after the sound that moves them; of people in step it is 0 or -1.

    Args:
        features: of the sound, one row a frame.
        gap: of the lips in the same frames.
        usable: frames in which the lips were seen.

    Returns:
        the lag, -12..12; None where no regression foretells the lips of parts of the clip that it has not seen.
    """
    if len(gap) < LEAST:
        return None
    features = (features - features.mean(0)) / features.std(0).clip(1e-3)
    features = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    lags = range(-FARTHEST, FARTHEST + 1)
    agreement = [_foretold(features, gap, usable, lag) for lag in lags]
    best = int(np.argmax(agreement))
    return lags[best] if agreement[best] >= SURE else None


def _foretold(
    features: Float[np.ndarray, "N D"], gap: Float[np.ndarray, "N"], usable: Bool[np.ndarray, "N"], lag: int
) -> float:
    """Correlation of the gap with its regression on the features ``lag`` frames before, parts left out in turn."""
    count = len(gap)
    rows = np.flatnonzero(usable)
    rows = rows[(rows - lag >= 0) & (rows - lag < count)]
    if len(rows) < 4 * FARTHEST:
        return 0.0
    heard, wanted, fold = features[rows - lag], gap[rows], rows * FOLDS // count
    said = np.zeros(len(rows))
    for left_out in range(FOLDS):
        learnt = fold != left_out
        mean = wanted[learnt].mean()
        square = heard[learnt].T @ heard[learnt] + RIDGE * learnt.sum() * np.eye(heard.shape[1])
        slopes = np.linalg.solve(square, heard[learnt].T @ (wanted[learnt] - mean))
        said[~learnt] = heard[~learnt] @ slopes + mean
    if said.std() < 1e-9 or wanted.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(said, wanted)[0, 1])
