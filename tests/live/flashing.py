"""A person who is a lamp: white in frames with a loud sound, black in others. For tests of what is sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from live.performer import Look, Performer
from tests.live.stage import Mouth

SIZE = 64
CLICK = 8  # frames between clicks
_LOUD = 1.0  # of the gap's code


class Lamp(Mouth):
    """Lights up as its mouth opens."""

    size = (SIZE, SIZE)

    def pictures(self, looks: Sequence[Look]) -> list[np.ndarray]:
        return [np.full((SIZE, SIZE, 3), 255 * (float(look.codes[1, 0]) > _LOUD), np.uint8) for look in looks]


class Broken(Lamp):
    """Whose renderer fails as soon as there is something to see."""

    def pictures(self, looks: Sequence[Look]) -> list[np.ndarray]:
        if looks:
            raise RuntimeError("out of memory")
        return []


def lamp() -> Performer:
    return Lamp()


def broken() -> Performer:
    return Broken()


def clicks(frames: int) -> np.ndarray:
    """Silence with a burst of noise in every eighth frame, 16-bit, 48 kHz."""
    sound = np.zeros((frames, 1920), np.int16)
    sound[CLICK // 2 :: CLICK] = np.random.default_rng(0).normal(0, 6500, (len(sound[CLICK // 2 :: CLICK]), 1920))
    return sound.ravel()
