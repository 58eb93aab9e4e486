"""What the figure does over time: speech to mouth, blinks, head, hand, gaze and breath."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from arguments.clock import FPS
from sample.behaviour import USUAL, USUAL_BLINKS, Behaviour
from sample.character import Expression, rotation_x, rotation_y, rotation_z
from sample.cuts import jump_cuts, other_scenes
from sample.hand import HandPath, raise_hand
from sample.lighting import changing_light
from sample.turns import fast_turns, wide_turns
from sample.voice import SAMPLE_RATE, Utterance, compose, synthesize

HELD_OUT = 1 / 11  # the share at the end that is kept from training
NECK_PIVOT = np.array([0.0, -0.78, -0.15])
STAND = np.array([0.0, 0.17, -8.0])  # where the head's origin is when it looks straight ahead, camera frame, dm
FARTHEST_GAZE = np.radians(25.0)  # of the eyes in the head; farther ones would leave the lids


@dataclass(frozen=True)
class Performance:
    """N frames of acting and their sound. Frame i shows the moment times[i]."""

    expressions: tuple[Expression, ...]
    rotation: NDArray[np.float64]  # [N, 3, 3] head -> camera
    translation: NDArray[np.float64]  # [N, 3] dm
    stand: NDArray[np.float64]  # [N, 3] dm, where the torso carries the head's origin
    utterance: Utterance
    sound: NDArray[np.float32]  # at SAMPLE_RATE, as long as the frames
    times: NDArray[np.float64]  # [N] s
    hand: HandPath | None = None
    light: NDArray[np.float64] | None = None  # [N, 3], see lighting; None: steady
    away: NDArray[np.bool_] | None = None  # [N], where another scene is shown; None: nowhere


def perform(frames: int, seed: int = 0, behaviour: Behaviour = USUAL) -> Performance:
    """Act for a number of frames, and be cut to them; the same seed, length and behaviour act the same.

    The utterance of a film with jump cuts is the whole take's.
    """
    rate, cutting = float(behaviour.rate), np.random.default_rng([seed, 2026])
    if behaviour.cuts == "jump":
        kept = jump_cuts(frames, rate, cutting)
        return _shown(_act(int(kept[-1]) + 1, seed, behaviour), kept, rate)
    act = _act(frames, seed, behaviour)
    return replace(act, away=other_scenes(frames, rate, cutting)) if behaviour.cuts == "scene" else act


def _shown(take: Performance, kept: NDArray[np.integer], rate: float) -> Performance:
    """What a film shows of a take: the kept frames [N], and their sound."""
    edges = np.round(np.arange(len(take.times) + 1) / rate * SAMPLE_RATE).astype(int)
    sound = np.concatenate([take.sound[edges[i] : edges[i + 1]] for i in kept])
    hand, light = take.hand, take.light
    return replace(
        take,
        expressions=tuple(take.expressions[i] for i in kept),
        rotation=take.rotation[kept],
        translation=take.translation[kept],
        stand=take.stand[kept],
        sound=sound,
        times=np.arange(len(kept)) / rate,
        hand=hand and HandPath(hand.raised[kept], hand.rotation[kept], hand.translation[kept]),
        light=None if light is None else light[kept],
    )


def _act(frames: int, seed: int, behaviour: Behaviour) -> Performance:
    rng = np.random.default_rng([seed, 2024])
    film_rate = float(behaviour.rate)
    seconds = frames / film_rate
    times = np.arange(frames) / film_rate
    rate = film_rate / FPS
    utterance = compose(seconds, rng)
    sound = synthesize(utterance, seconds, rng)
    mouth = mouth_curves(utterance, times)
    eye_open = _lid_curve(times, blink_times(seconds, rng, behaviour.blinks_per_minute))

    stress = gaussian_filter1d(np.interp(times, times, mouth["jaw"]), 4 * rate)
    yaw = np.radians(14.5) * _drift(times, rng, (0.07, 0.26))
    pitch = (
        np.radians(5.8) * _drift(times, rng, (0.10, 0.33))
        - np.radians(1.0)
        + np.radians(5.0) * (stress - stress.mean())
    )
    own = np.random.default_rng([seed, 2025])  # of what only some do, so that the others' acting is left as it is
    if behaviour.turns == "fast":
        yaw = 0.2 * yaw + fast_turns(times, own)
    elif behaviour.turns == "wide":
        yaw = 0.2 * yaw + wide_turns(times, own)
    roll = np.radians(4.2) * _drift(times, rng, (0.08, 0.28))
    sway = np.stack([a * _drift(times, rng, (0.06, 0.25)) for a in (0.10, 0.05, 0.15)], 1)
    breath = 0.012 * np.sin(2 * np.pi * 0.27 * times)
    framing = behaviour.framing
    place = STAND + np.array([framing.across, framing.up, -STAND[2] - framing.distance])
    stand = place + np.stack([0.25 * sway[:, 0], breath, 0 * times], 1)
    rotation = np.stack(
        [rotation_x(p) @ rotation_y(y) @ rotation_z(r) for p, y, r in zip(pitch, yaw, roll, strict=True)]
    ).astype(np.float64)
    translation = place + sway + breath[:, None] * [0, 1, 0] + NECK_PIVOT - rotation @ NECK_PIVOT
    flick = np.cumsum(rng.standard_normal((frames, 2)) * (rng.random((frames, 1)) < 0.035 / rate), 0)
    flick = gaussian_filter1d(np.sin(flick), 0.6 * rate, axis=0) * np.radians(1.6)
    gaze = np.clip(-0.7 * yaw, -FARTHEST_GAZE, FARTHEST_GAZE)
    expressions = tuple(
        Expression(
            float(eye_open[i]),
            float(mouth["jaw"][i]),
            float(mouth["wide"][i]),
            float(mouth["round"][i]),
            float(mouth["press"][i]),
            (float(gaze[i] + flick[i, 0]), float(0.7 * pitch[i] + 0.4 * flick[i, 1])),
        )
        for i in range(frames)
    )
    hand = raise_hand(times, place, own) if behaviour.hand else None
    light = changing_light(times, own) if behaviour.light == "changing" else None
    return Performance(expressions, rotation, translation, stand, utterance, sound, times, hand, light)


def mouth_curves(utterance: Utterance, times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Jaw (0..1), wide, round and press at given times: the phones' targets, smoothed as lips are by their mass."""
    rate = 200
    dense = np.arange(int(times[-1] * rate) + rate) / rate
    curves = {}
    for name, sigma in (("jaw", 0.034), ("wide", 0.045), ("round", 0.050), ("press", 0.026)):
        target = utterance.track([getattr(phone, name) for phone in utterance.phones], dense)
        curves[name] = np.interp(times, dense, gaussian_filter1d(target, sigma * rate, mode="nearest"))
    curves["press"] = curves["press"] * np.clip(1 - 6 * np.maximum(curves["jaw"], 0), 0, 1)
    curves["jaw"] = np.clip(curves["jaw"], 0, 1)
    return curves


def blink_times(seconds: float, rng: np.random.Generator, per_minute: float = USUAL_BLINKS) -> NDArray[np.float64]:
    """Middles of the blinks: irregular, about so many a minute, always two in the held-out end of a long clip."""
    end, wait = seconds * (1 - HELD_OUT), USUAL_BLINKS / per_minute
    middles, next_one = [], wait * float(rng.uniform(0.7, 1.4))
    while next_one < end - 0.3:
        middles.append(next_one)
        next_one += wait * float(rng.uniform(2.4, 4.6))
    if seconds - end >= 1.3:
        middles += [end + 0.24 * (seconds - end), end + 0.76 * (seconds - end)]
    return np.array(middles)


def _lid_curve(times: NDArray, middles: NDArray) -> NDArray:
    """Opening of the lids: closes in 90 ms, rests shut for a moment, opens in 150 ms."""
    closed = np.zeros(len(times))
    for middle in middles:
        t = times - middle
        ramp = np.where(t < 0, 1 - (np.abs(t) - 0.03) / 0.09, 1 - (t - 0.03) / 0.15)
        ramp = np.clip(ramp, 0, 1)
        closed = np.maximum(closed, ramp * ramp * (3 - 2 * ramp))
    return 1 - closed


def _drift(times: NDArray, rng: np.random.Generator, band: tuple[float, float]) -> NDArray:
    """Smooth noise with frequencies (Hz) within a band, mean about 0 and peaks at +-1."""
    grid = np.arange(0, 30, 1 / FPS)  # scaled on a fixed span, so that a short clip moves no faster
    frequencies = np.linspace(*band, 7) * rng.uniform(0.9, 1.1, 7)
    phases, sizes = rng.uniform(0, 2 * np.pi, 7), rng.uniform(0.6, 1, 7)

    def wave(t: NDArray) -> NDArray:
        return (sizes * np.sin(2 * np.pi * frequencies * t[:, None] + phases)).sum(1)

    return wave(times) / np.abs(wave(grid)).max()


__all__ = ["HELD_OUT", "SAMPLE_RATE", "Performance", "blink_times", "mouth_curves", "perform"]
