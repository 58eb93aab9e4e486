"""When the samples of a sound track are heard: its blocks' time stamps, freed of jitter.

Time stamps say when a block begins, but not exactly: containers round them (Matroska to a millisecond), programs that
write as they record let them jitter. A block that begins where the one before ends, give or take such noise, follows it
without a seam. A lasting step is a gap or an overlap. Between steps the sound's clock may be faster or slower than the
time stamps', which a line bent every few seconds follows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import make_lsq_spline
from scipy.ndimage import median_filter

STEP = 0.004  # seconds by which time stamps must step to be a gap or an overlap; less is bent away
MAX_DRIFT = 0.05  # of its speed by which a sound's clock may be off; regular steps beyond it are gaps or overlaps
_AROUND = 8  # blocks on either side whose median tells a step from jitter
_JITTER = 9  # blocks, of the running median that outliers do not pass
_SURE = 4.0  # times the usual difference of two time stamps' jitter; a larger step is none of it
_BEND = 5.0  # seconds between the bends of the line that follows a drift
_STRAIGHT = 0.002  # seconds of wander that are left as they are, so that the samples pass unchanged


@dataclass(frozen=True)
class Piece:
    """Blocks that follow each other without a step."""

    first: int  # number of the first block
    counted: Float[np.ndarray, "K"]  # seconds of sound since the piece's beginning, as samples count; ascending from 0
    heard: Float[np.ndarray, "K"]  # when those are heard, seconds on the file's clock

    @property
    def start(self) -> float:
        """When it begins, seconds on the file's clock."""
        return float(self.heard[0])

    @property
    def stop(self) -> float:
        """When it ends."""
        return float(self.heard[-1])

    @property
    def stretch(self) -> float:
        """Seconds by which it is heard for longer than its samples last; negative where for less."""
        return float(self.heard[-1] - self.heard[0] - self.counted[-1])

    @property
    def is_straight(self) -> bool:
        """Whether its samples need not be resampled to keep the time."""
        return bool(np.ptp(self.heard - self.counted) < 1e-9)


def pieces_of(times: Float[np.ndarray, "N"], lengths: Float[np.ndarray, "N"]) -> list[Piece]:
    """The pieces of a track of N blocks.

    Args:
        times: when each block begins by its time stamp, seconds; NaN where it has none.
        lengths: of each block by its samples, seconds.

    Returns:
        At least one piece; none where N is 0.
    """
    if len(times) == 0:
        return []
    counted = np.concatenate([[0.0], np.cumsum(lengths)])
    ahead = _filled(times - counted[:-1])
    edges = [0, *_steps(ahead, counted), len(times)]
    return [_piece(ahead, counted, first, last) for first, last in itertools.pairwise(edges)]


def _filled(ahead: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """Where there is no time stamp the block follows the one before."""
    known = np.flatnonzero(np.isfinite(ahead))
    if len(known) == 0:
        return np.zeros_like(ahead)
    return ahead[known[np.searchsorted(known, np.arange(len(ahead)), side="right").clip(1) - 1]]


def _steps(ahead: Float[np.ndarray, "N"], counted: Float[np.ndarray, "M"]) -> list[int]:
    """The blocks before which time stamps step, and stay."""
    rise, length = np.diff(ahead), np.diff(counted[:-1])
    slope = float(np.median(rise / length.clip(1e-6))) if len(rise) else 0.0
    slope = slope if abs(slope) < MAX_DRIFT else 0.0
    level = ahead - slope * counted[:-1]
    change = np.diff(level)
    least = max(STEP, _SURE * float(np.median(np.abs(change - np.median(change)))) if len(change) else 0.0)
    steps: list[int] = []
    for i in np.flatnonzero(np.abs(change) > STEP) + 1:
        begin = max(i - _AROUND, steps[-1] if steps else 0)
        before, after = np.median(level[begin:i]), np.median(level[i : i + _AROUND])
        if abs(after - before) > least:
            steps.append(int(i))
    return steps


def _piece(ahead: Float[np.ndarray, "N"], counted: Float[np.ndarray, "M"], first: int, last: int) -> Piece:
    begins = counted[first:last] - counted[first]
    end = float(counted[last] - counted[first])
    values = ahead[first:last]
    bends = np.linspace(0, end, max(round(end / _BEND), 1) + 1)
    if end < 1 or len(begins) < 2 * len(bends):
        bends = np.array([0.0, end])
        line = np.full(2, np.median(values))
    else:
        values = median_filter(values, _JITTER, mode="nearest")
        knots = np.concatenate([[0.0], bends, [end]])
        line = make_lsq_spline(begins, values, knots, k=1)(bends)
        if np.ptp(line) < _STRAIGHT or np.abs(np.diff(line) / np.diff(bends)).max() > MAX_DRIFT:
            line = np.full(len(bends), np.median(values))
    return Piece(first, bends, counted[first] + bends + line)
