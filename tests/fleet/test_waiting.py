"""Who goes next, of many; compared with a look at all of them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest

from fleet.waiting import Waiting


@dataclass
class Plain:
    """What a queue does, by sorting all that waits whenever somebody asks."""

    items: list[tuple[int, int, float, str]]

    def due(self, now, fits):
        out = []
        for one in sorted(self.items, key=lambda one: (-one[0], one[1])):
            if one[2] <= now and fits(one[0]):
                self.items.remove(one)
                out.append(one[3])
        return out


def bears(left):
    """So many more of each row fit."""

    def fits(row):
        left[row] -= 1
        return left[row] >= 0

    return fits


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_that_of_a_look_at_all(seed):
    """Rows take different things: what does not fit holds up its own row and no other."""
    chance, waiting, plain, turn = random.Random(seed), Waiting(), Plain([]), 0
    for now in range(60):
        for _ in range(chance.randrange(6)):
            turn += 1
            row, later = chance.randrange(4), float(now + chance.choice([-1, 0, 3, 10]))
            place = chance.randrange(1000) * 1000 + turn  # of its row, unlike any other's
            waiting.add(f"{turn}", row, place, later)
            plain.items.append((row, place, later, f"{turn}"))
        room = {row: chance.randrange(3) for row in range(4)}
        assert list(waiting.due(now, bears(dict(room)))) == plain.due(now, bears(dict(room)))
        assert len(waiting) == len(plain.items)
        assert waiting.soonest() == min((one[2] for one in plain.items if one[2] > now), default=math.inf)


def test_of_the_same_turn_the_first_that_came_goes_first():
    waiting = Waiting()
    for name in "cab":
        waiting.add(name)
    assert list(waiting.due(0.0, lambda row: True)) == ["c", "a", "b"]
    assert not waiting
