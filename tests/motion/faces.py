"""A made-up face that moves as it is told, and its speech."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from motion.face_measures import FaceMeasures
from motion.speech_training import Recording


def smooth(rng: np.random.Generator, frames: int, columns: int, width: int = 5) -> Float[np.ndarray, "frames columns"]:
    """Noise that is smooth in time, of deviation 1 about 0."""
    noise = rng.normal(size=(frames + width - 1, columns))
    values = np.stack([np.convolve(column, np.ones(width), mode="valid") for column in noise.T], axis=1)
    return (values - values.mean(0)) / values.std(0)


def made_up_face(seed: int = 0, frames: int = 400, *, dimensions: int = 3) -> tuple[FaceMeasures, np.ndarray]:
    """A grid of points over a face, and what moves it: gap, two of the mouth, one of the brows, blinks [N, 5].

    Chin and lower lip follow the gap, mouth corners the second and third, brows the fourth, lids the blinks.
    """
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 12), np.linspace(-1.1, 0.9, 16))
    centre = np.stack([x.ravel(), y.ravel(), 0.5 - 0.3 * x.ravel() ** 2], axis=1)[:, :dimensions]
    drives = smooth(rng, frames, 4)
    blinks = (smooth(rng, frames, 1)[:, 0] > 1.3).astype(float)
    gap = 0.15 + 0.05 * drives[:, 0]

    def near(px: float, py: float, size: float) -> np.ndarray:
        return np.exp(-((centre[:, 0] - px) ** 2 + (centre[:, 1] - py) ** 2) / (2 * size**2))

    points = centre + np.zeros((frames, 1, 1))
    points[:, :, 1] -= 0.06 * drives[:, :1] * near(0, -0.75, 0.2)
    points[:, :, 0] += 0.05 * drives[:, 1:2] * (near(0.3, -0.6, 0.15) - near(-0.3, -0.6, 0.15))
    points[:, :, 1] += 0.03 * drives[:, 2:3] * (near(0.3, -0.6, 0.15) + near(-0.3, -0.6, 0.15))
    points[:, :, 1] += 0.03 * drives[:, 3:4] * (near(0.3, 0.75, 0.15) + near(-0.3, 0.75, 0.15))
    points[:, :, 1] -= 0.04 * blinks[:, None] * (near(0.3, 0.4, 0.1) + near(-0.3, 0.4, 0.1))
    points += rng.normal(0, 1e-4, points.shape)
    return FaceMeasures(points, gap, blinks), np.concatenate([drives, blinks[:, None]], axis=1)


def made_up_speech(
    seed: int = 0, frames: int = 500, *, features: int = 8, codes: int = 3, shift: int = 0, noise: float = 0.1
) -> Recording:
    """Features from which codes follow by one linear map over two frames, ``shift`` frames later; and some noise."""
    rng, person = np.random.default_rng(seed), np.random.default_rng(100)
    sound = smooth(rng, frames + abs(shift) + 1, features, width=3)
    weights = person.normal(size=(2, features, codes)) / features**0.5
    made = sound[1:] @ weights[0] + sound[:-1] @ weights[1]
    made = (made - made.mean(0)) / made.std(0)
    made = made + noise * rng.normal(size=made.shape)
    later = max(shift, 0)
    heard, done = sound[1:][later : later + frames], made[later - shift : later - shift + frames]
    return Recording(heard, done, np.ones(frames, dtype=bool), np.arange(frames) / frames)
