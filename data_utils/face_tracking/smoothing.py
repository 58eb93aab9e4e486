"""Smoothing of poses over time without lag, and without blurring what moves fast."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import median_filter
from scipy.signal import lfilter

from arguments.clock import FPS
from data_utils.face_tracking import rotations
from data_utils.face_tracking.perspective import Poses

EMA = 0.7  # weight of the newest value
_POWER_EMA = 0.3  # the same of the average that measures how much is taken away
_MARGIN = 4.0  # by how much that must exceed what noise does, before half of it and more is trusted as motion
_FEWEST = 5  # third differences that tell what noise is
_OF_DIFFERENCES = 1.4826 / np.sqrt(20.0)  # the noise's standard deviation, of their median


def ema_both_ways(values: Float64[np.ndarray, "N D"], newest: float = EMA) -> Float64[np.ndarray, "N D"]:
    """Exponential moving average forward, then backward, so that the lags cancel: [N, D] -> [N, D].

    Each pass is s_t = newest * x_t + (1 - newest) * s_{t-1}, started at its first value. The ends are extended by point
    reflection, so that a steady motion passes unchanged up to the ends.
    """
    count = len(values)
    pad = min(count - 1, 16)
    head = 2 * values[:1] - values[pad:0:-1]
    tail = 2 * values[-1:] - values[-2 : -pad - 2 : -1]
    padded = np.concatenate([head, values, tail])
    for _ in range(2):
        start = (1 - newest) * padded[:1]
        padded = lfilter([newest], [1.0, newest - 1.0], padded, axis=0, zi=start)[0][::-1]
    return padded[pad : pad + count]


def smooth(
    values: Float64[np.ndarray, "N D"],
    noise: Float64[np.ndarray, "D"] | Float64[np.ndarray, "N D"],
    cuts: Sequence[int] = (),
) -> Float64[np.ndarray, "N D"]:
    """EMA both ways where values [N, D] move no more than their noise, the values themselves where they clearly do.

    What the average takes away is given back as far as it exceeds the noise: Wiener's gain 1 - noise^2 / power, with
    the power taken over a short window.

    Args:
        values: [N, D].
        noise: [D] or [N, D], standard deviation of the measurement.
        cuts: rows at which a new shot begins; nothing is averaged across them.
    """
    noise = np.broadcast_to(noise, values.shape)
    return np.concatenate([_smooth_shot(values[rows], noise[rows]) for rows in shots(len(values), cuts)])


def shots(count: int, cuts: Sequence[int]) -> list[slice]:
    """The rows of each shot of ``count`` frames, where new ones begin at ``cuts``."""
    starts = [0, *sorted({cut for cut in cuts if 0 < cut < count}), count]
    return [slice(start, stop) for start, stop in itertools.pairwise(starts)]


def _smooth_shot(values: Float64[np.ndarray, "N D"], noise: Float64[np.ndarray, "N D"]) -> Float64[np.ndarray, "N D"]:
    average = ema_both_ways(values)
    taken = values - average
    power = ema_both_ways(taken**2, _POWER_EMA)
    by_noise = _MARGIN * _white_noise_share() * noise**2
    gain = np.clip(1.0 - by_noise / np.maximum(power, 1e-30), 0.0, 1.0)
    return average + gain * taken


def _white_noise_share() -> float:
    """The part of white noise's variance that the average takes away."""
    impulse = np.zeros((65, 1))
    impulse[32] = 1.0
    return float(((impulse - ema_both_ways(impulse)) ** 2).sum())


def measured_noise(
    values: Float64[np.ndarray, "N D"], usable: Bool[np.ndarray, "N"] | None = None
) -> Float64[np.ndarray, "D"]:
    """Standard deviation [D] of the white noise on smooth values [N, D], from robust third differences.

    Third differences remove any motion that is a parabola over four frames; white noise comes through with variance
    1 + 9 + 9 + 1 = 20.

    Args:
        usable: [N] the rows that count (interpolated ones are without noise); all unless given.
    """
    differences, counts = _third_differences(values, usable)
    if counts.sum() < _FEWEST:
        return np.zeros(values.shape[1])
    return _OF_DIFFERENCES * np.median(differences[counts], axis=0)


def noise_around(
    values: Float64[np.ndarray, "N D"], usable: Bool[np.ndarray, "N"] | None = None
) -> Float64[np.ndarray, "N D"]:
    """The same within the second around each row [N, D], and no less than in all: for what moves smoothly throughout.

    Poses are noisier where less of the head is seen. Of lips, which dart, this would take speech for noise.
    """
    differences, counts = _third_differences(values, usable)
    usual = measured_noise(values, usable)
    if counts.sum() < _FEWEST:
        return np.broadcast_to(usual, values.shape)
    noise = _OF_DIFFERENCES * median_filter(
        np.where(counts[:, None], differences, usual / _OF_DIFFERENCES), size=(FPS, 1), mode="nearest"
    )
    return np.maximum(np.pad(noise, ((1, 2), (0, 0)), mode="edge"), usual)  # a difference is of four rows


def _third_differences(
    values: Float64[np.ndarray, "N D"], usable: Bool[np.ndarray, "N"] | None
) -> tuple[Float64[np.ndarray, "M D"], Bool[np.ndarray, "M"]]:
    """Their sizes, of N - 3 rows if there are so many, and which are of usable rows alone."""
    if usable is None:
        usable = np.ones(len(values), bool)
    return np.abs(np.diff(values, 3, axis=0)), usable[3:] & usable[2:-1] & usable[1:-2] & usable[:-3]


def smooth_poses(poses: Poses, cuts: Sequence[int] = (), usable: Bool[np.ndarray, "N"] | None = None) -> Poses:
    """Smooth N poses within their shots.

    The rotation is taken as a vector about the clip's mean, the translation as view direction and log depth: depth is
    the noisiest part, and taking the direction to the head apart from it keeps the projection on the landmarks.

    Args:
        poses: N.
        cuts: frames at which a new shot begins; nothing is averaged across them.
        usable: bool [N], the poses that mean and noise are taken of; all unless given.
    """
    middle = rotations.mean(poses.rotation if usable is None else poses.rotation[usable])
    turn = rotations.log(middle.T @ poses.rotation)
    depth = -poses.translation[:, 2:]
    values = np.concatenate([turn, poses.translation[:, :2] / depth, np.log(depth)], axis=1)
    values = smooth(values, noise_around(values, usable), cuts)
    depth = np.exp(values[:, 5:])
    return Poses(middle @ rotations.exp(values[:, :3]), np.concatenate([values[:, 3:5] * depth, -depth], axis=1))
