"""Made clips with one cut and clips with a fast movement and none, to measure what tells cuts from movement.

The sample's figure stands before made-up rooms. What moves does so as things do, from rest to rest by the path of
least jerk (Flash and Hogan, J. Neurosci. 5, 1985); a cut changes in one frame what no movement does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from sample.filming import FRAMES, Figures, Moment, Picture, Take, filmed, random_scene

Path = Callable[[float], Moment]  # what has moved at a time, in frames
Takes = tuple[list[Take], "int | None"]  # of a clip, and the picture with which the second begins


@dataclass(frozen=True)
class Clip:
    """Consecutive pictures."""

    kind: str  # a name of CUTS or MOVEMENTS
    pictures: tuple[Picture, ...]
    cut: int | None  # the picture with which a new shot begins; None: one shot


def made_clips(seed: int, count: int = 200, figures: Figures | None = None) -> Iterator[Clip]:
    """``count`` clips with a cut and as many with a fast movement, their kinds in turn.

    Args:
        seed: the same makes the same clips.
        count: of each of the two.
        figures: drawn before; None: now (36 pictures).

    Yields:
        clips of ``FRAMES`` pictures.
    """
    figures = Figures.draw() if figures is None else figures
    for group, kinds in enumerate((CUTS, MOVEMENTS)):
        names = list(kinds)
        for k in range(count):
            rng = np.random.default_rng([seed, group, k])
            takes, cut = kinds[names[k % len(names)]](rng)
            yield Clip(names[k % len(names)], tuple(filmed(takes, cut, figures, rng)), cut)


def _eased(start: float, length: float) -> Callable[[float], float]:
    """From 0 to 1 by the path of least jerk."""

    def at(time: float) -> float:
        u = min(max((time - start) / length, 0.0), 1.0)
        return u**3 * (10 - 15 * u + 6 * u * u)

    return at


def _idle(rng: np.random.Generator, lively: float = 1.0) -> Path:
    """Somebody who talks: the head sways a little and the camera, perhaps, as well."""
    phases, rates = rng.uniform(0, 2 * np.pi, 6), rng.uniform(0.05, 0.25, 6)
    shaky = rng.choice([0.0, 0.0, 0.004])
    base, noise = float(rng.uniform(-15, 15)), float(rng.uniform(0.5, 6))

    def at(time: float) -> Moment:
        a, b, c, d, e, f = (lively * np.sin(phases + rates * time)).tolist()
        return Moment(
            camera=(shaky * d, shaky * e),
            body=(0.012 * a, 0.008 * b),
            nearer=1 + 0.01 * f,
            yaw=base + 5 * c,
            noise=noise,
        )

    return at


def _turn(rng: np.random.Generator) -> Path:
    idle = _idle(rng)
    base, target = np.sort(rng.uniform(-34, 34, 2)).tolist()
    eased = _eased(rng.uniform(5, 12), rng.uniform(5, 10))
    return lambda time: replace(idle(time), yaw=base + (target - base) * eased(time))


def _nod(rng: np.random.Generator) -> Path:
    idle, low, rate, amount = _idle(rng), rng.uniform(5, 9), rng.uniform(0.5, 1.0), rng.uniform(7, 14)
    eased = _eased(low, 4)
    return lambda time: replace(idle(time), pitch=amount * eased(time) * np.sin(rate * (time - low)))


def _lean(rng: np.random.Generator) -> Path:
    idle, eased = _idle(rng), _eased(rng.uniform(5, 12), rng.uniform(6, 12))
    x, y, nearer = rng.uniform(-0.25, 0.25), rng.uniform(-0.1, 0.15), rng.uniform(-0.2, 0.35)
    return lambda time: replace(idle(time), body=(x * eased(time), y * eased(time)), nearer=1 + nearer * eased(time))


def _pan(rng: np.random.Generator) -> Path:
    idle, eased = _idle(rng), _eased(rng.uniform(3, 8), rng.uniform(8, 18))
    x, y = rng.choice([-1, 1]) * rng.uniform(0.2, 0.8), rng.uniform(-0.2, 0.2)
    return lambda time: replace(idle(time), camera=(x * eased(time), y * eased(time)))


def _zoom(rng: np.random.Generator) -> Path:
    idle, eased, factor = _idle(rng), _eased(rng.uniform(3, 9), rng.uniform(8, 16)), rng.uniform(1.3, 2.0)
    factor = factor if rng.random() < 0.5 else 1 / factor
    return lambda time: replace(idle(time), zoom=factor ** eased(time))


def _handheld(rng: np.random.Generator) -> Path:
    idle, rates, phases = _idle(rng), rng.uniform(0.5, 1.6, 3), rng.uniform(0, 6, 3)
    reach, roll = rng.uniform(0.01, 0.035), rng.uniform(0, 3)
    return lambda time: replace(
        idle(time),
        camera=(reach * np.sin(rates[0] * time + phases[0]), reach * np.sin(rates[1] * time + phases[1])),
        roll=roll * np.sin(rates[2] * time + phases[2]),
    )


def _hand(rng: np.random.Generator) -> Path:
    idle, start, length = _idle(rng), rng.uniform(4, 9), rng.uniform(4, 9)
    up, down = _eased(start, length), _eased(start + length + rng.uniform(0, 5), length)
    x, sideways, high = rng.uniform(0.2, 0.8), rng.uniform(-0.4, 0.4), rng.uniform(0.6, 1.0)
    return lambda time: replace(
        idle(time), hand=(x + sideways * (up(time) - 0.5), 1.2 - high * (up(time) - down(time)))
    )


def _exposure(rng: np.random.Generator) -> Path:
    idle, factor = _idle(rng), rng.uniform(1.15, 1.7)
    factor, eased = (factor if rng.random() < 0.5 else 1 / factor), _eased(10, rng.choice([0.5, 3, 8]))
    return lambda time: replace(idle(time), light=factor ** eased(time))


def _lamp(rng: np.random.Generator) -> Path:
    idle, amount, eased = _idle(rng), rng.uniform(0.15, 0.5), _eased(10, rng.choice([0.5, 3]))
    return lambda time: replace(idle(time), lamp=amount * eased(time))


def _grain(rng: np.random.Generator) -> Path:
    idle, amount, eased = _turn(rng), rng.uniform(15, 45), _eased(rng.uniform(5, 12), 0.5)
    return lambda time: replace(idle(time), noise=3 + amount * eased(time))


_LIVELY = (_turn, _nod, _lean, _pan, _zoom, _handheld, _hand)


def _any_movement(rng: np.random.Generator) -> Path:
    return _LIVELY[int(rng.integers(len(_LIVELY)))](rng)


def _moving(movement: Callable[[np.random.Generator], Path]) -> Callable[..., Takes]:
    return lambda rng: ([Take(random_scene(rng), movement(rng))], None)


def _flashing(rng: np.random.Generator) -> Takes:
    first = int(rng.integers(8, 20))
    return [Take(random_scene(rng), _idle(rng), flashes=tuple(range(first, first + int(rng.integers(1, 3)))))], None


def _stuttering(rng: np.random.Generator) -> Takes:
    return [Take(random_scene(rng), _any_movement(rng), held=int(rng.integers(2, 4)))], None


def _cut_at(rng: np.random.Generator) -> int:
    return int(rng.integers(6, FRAMES - 6))


def _jump(rng: np.random.Generator) -> Takes:
    """The same person in the same room a little later: a few hundredths of the picture off, and turned otherwise."""
    take = Take(random_scene(rng), _idle(rng, 0.5))
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.09)
    turned, nearer = rng.choice([-1, 1]) * rng.uniform(6, 18), rng.uniform(0.95, 1.06)

    def later(time: float) -> Moment:
        moment = take.moment(time)
        body = moment.body[0] + far * np.cos(angle), moment.body[1] + 0.5 * far * np.sin(angle)
        return replace(moment, body=body, yaw=moment.yaw + turned, nearer=moment.nearer * nearer)

    return [take, Take(take.scene, later)], _cut_at(rng)


def _closer(rng: np.random.Generator) -> Takes:
    """The same take, suddenly larger or smaller."""
    take, factor = Take(random_scene(rng), _idle(rng)), rng.uniform(1.12, 1.6)
    factor = factor if rng.random() < 0.5 else 1 / factor
    return [take, replace(take, moment=lambda time: replace(take.moment(time), zoom=factor))], _cut_at(rng)


def _elsewhere(rng: np.random.Generator) -> Takes:
    return [Take(random_scene(rng), _idle(rng)), Take(random_scene(rng), _idle(rng))], _cut_at(rng)


def _someone_else(rng: np.random.Generator) -> Takes:
    """Another person in the same room and light."""
    scene, other = random_scene(rng), random_scene(rng)
    other = replace(scene, tint=other.tint, mirrored=other.mirrored, x=other.x, scale=other.scale)
    return [Take(scene, _idle(rng)), Take(other, _idle(rng))], _cut_at(rng)


def _amid_movement(rng: np.random.Generator) -> Takes:
    """From one scene in movement to another."""
    return [Take(random_scene(rng), _any_movement(rng)), Take(random_scene(rng), _any_movement(rng))], _cut_at(rng)


def _into_movement(rng: np.random.Generator) -> Takes:
    return [Take(random_scene(rng), _idle(rng)), Take(random_scene(rng), _any_movement(rng))], _cut_at(rng)


MOVEMENTS: dict[str, Callable[[np.random.Generator], Takes]] = {
    "head turn": _moving(_turn),
    "nod": _moving(_nod),
    "lean": _moving(_lean),
    "pan": _moving(_pan),
    "zoom": _moving(_zoom),
    "handheld camera": _moving(_handheld),
    "raised hand": _moving(_hand),
    "exposure": _moving(_exposure),
    "lamp": _moving(_lamp),
    "noise": _moving(_grain),
    "flash": _flashing,
    "stutter": _stuttering,
}
CUTS: dict[str, Callable[[np.random.Generator], Takes]] = {
    "jump cut": _jump,
    "closer": _closer,
    "another scene": _elsewhere,
    "another person": _someone_else,
    "amid movement": _amid_movement,
    "into movement": _into_movement,
}
