"""How the head turns from side to side: fast, or far. All angles in rad, + to the picture's right."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

FAST_STEP = np.radians(25.0)
FAST_SECONDS = 0.3
WIDEST = np.radians(60.0)


def fast_turns(times: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """Yaw [N] at times (s): 25 degrees within 0.3 s, from side to side, with a rest of 0.6 to 1.6 s between."""
    side = float(rng.choice([-1.0, 1.0]))
    yaw = np.full(len(times), -side * FAST_STEP / 2)
    begin = float(rng.uniform(0.6, 1.2))
    while begin < times[-1]:
        yaw += side * FAST_STEP * _eased((times - begin) / FAST_SECONDS)
        side = -side
        begin += FAST_SECONDS + float(rng.uniform(0.6, 1.6))
    return yaw


def wide_turns(times: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """Yaw [N] at times (s): to 60 degrees and back within 3 to 6 s, to one side and then to the other."""
    side = float(rng.choice([-1.0, 1.0]))
    yaw = np.zeros(len(times))
    begin = float(rng.uniform(0.8, 1.4))
    while begin < times[-1]:
        length = float(rng.uniform(3.0, 6.0))
        gone = (times - begin) / length
        yaw += side * WIDEST * (_eased(gone / 0.45) - _eased((gone - 0.55) / 0.45))
        side = -side
        begin += length + float(rng.uniform(0.5, 1.2))
    return yaw


def _eased(gone: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """0 before 0, 1 after 1, and between them without a jump in speed or acceleration."""
    t = np.clip(gone, 0, 1)
    return t**3 * (10 - 15 * t + 6 * t**2)
