"""Light that changes while a person is filmed: clouds before the window, a lamp that is switched on and off."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

STEADY = np.ones(3)
LAMP_SECONDS = 0.08  # that a lamp takes to light up


def changing_light(times: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N 3"]:
    """What the key light, the fill and the sky are multiplied with at times (s).

    The key, from the window, drifts between about 0.5 and 1.1 with the clouds, the sky follows it by half; the fill is
    a lamp that is switched, 1.6 or 0.7, every 3 to 5 s.
    """
    waves = [np.sin(2 * np.pi * (times / float(rng.uniform(4, 8)) + float(rng.uniform()))) for _ in range(2)]
    key = 0.8 + 0.15 * (waves[0] + waves[1])
    lamp, on = np.full(len(times), 0.7), True
    moment = float(rng.uniform(1.5, 3.0))
    while moment < times[-1]:
        lamp += (0.9 if on else -0.9) * np.clip((times - moment) / LAMP_SECONDS, 0, 1)
        moment, on = moment + float(rng.uniform(3.0, 5.0)), not on
    return np.stack([key, lamp, 0.5 + 0.5 * key], 1)


def on_the_room(light: Float[np.ndarray, "3"]) -> float:
    """What the room's colours are multiplied with under a light."""
    return float(light @ (0.5, 0.2, 0.3))
