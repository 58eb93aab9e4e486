"""Heads that move as their persons do, to speech that these never spoke."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from data_utils.voice import loudness
from motion.head_motion import AFTER, BEFORE, HeadMotion, accents, speeds, within_limits
from tests.motion.test_frame_path import swaying


def _talk(number: int, seed: int) -> np.ndarray:
    """Loudness that comes and goes, as syllables and pauses do."""
    noise = np.random.default_rng(seed).normal(size=number)
    return np.clip(0.6 + 0.8 * gaussian_filter1d(noise, 3.0), 0, 1.2)


def _nodding(loud: np.ndarray, size: float) -> np.ndarray:
    poses = swaying(len(loud))
    nods = np.zeros((len(loud), 3))
    nods[:, 0] = size * (gaussian_filter1d(np.roll(loud, 2), 1.5) - 0.6)
    poses[:, :3, :3] = Rotation.from_rotvec(nods).as_matrix() @ poses[:, :3, :3]
    return poses


def _motion(poses: np.ndarray, loud: np.ndarray) -> HeadMotion:
    return HeadMotion.of_clip(poses, [(0, len(poses))], (loud > 0.5).astype(float), loud)


def test_ten_minutes_never_exceed_the_clips_speed() -> None:
    loud = _talk(1500, 0)
    motion = _motion(_nodding(loud, 0.1), loud)
    film = _talk(15_000, 1)
    poses, _ = motion.generate(15_000, 5, speaks=(film > 0.5).astype(float), loud=film)
    for speed, limit in zip(speeds(poses), motion.limits, strict=True):
        assert np.median(speed) > 0 and speed.max() <= limit * (1 + 1e-9)
    assert np.allclose(np.linalg.det(poses[:, :3, :3]), 1)


def test_a_film_moves_as_much_as_the_clip() -> None:
    loud = _talk(1500, 0)
    clip = _nodding(loud, 0.1)
    poses, _ = _motion(clip, loud).generate(9000, 2)
    theirs, ours = (Rotation.from_matrix(p[:, :3, :3]).as_rotvec().std(0) for p in (clip, poses))
    assert (ours > 0.6 * theirs).all() and (ours < 1.5 * theirs).all()


def test_accents_of_the_new_speech_are_nodded() -> None:
    loud, film = _talk(3000, 0), _talk(3000, 9)
    motion = _motion(_nodding(loud, 0.2), loud)
    without, _ = motion.generate(3000, 1)
    nods, _ = motion.generate(3000, 1, loud=film)
    expected = gaussian_filter1d(np.roll(film, 2), 1.5)

    def follows(poses: np.ndarray) -> float:
        pitch = Rotation.from_matrix(poses[:, :3, :3]).as_rotvec()[:, 0]
        quick = pitch - gaussian_filter1d(pitch, 12.0)
        return float(np.corrcoef(quick, expected - gaussian_filter1d(expected, 12.0))[0, 1])

    assert follows(nods) > 0.6 > 0.3 > abs(follows(without))


def test_who_does_not_nod_is_not_made_to() -> None:
    motion = _motion(swaying(3000), _talk(3000, 3))
    assert np.abs(accents(_talk(500, 4), motion.filter)).max() < np.radians(0.3)
    assert motion.filter.shape == (BEFORE + 1 + AFTER, 3)


def test_a_seed_is_a_motion() -> None:
    motion = _motion(swaying(800), _talk(800, 0))
    assert (motion.generate(400, 1)[0] == motion.generate(400, 1)[0]).all()
    assert (motion.generate(400, 1)[0] != motion.generate(400, 2)[0]).any()


def test_loudness_does_not_depend_on_the_level() -> None:
    random = np.random.default_rng(0)
    sound = random.normal(size=16_000 * 4) * np.repeat(random.uniform(0.01, 0.1, 40), 1600)
    loud = loudness(sound, 100)
    assert np.allclose(loud, loudness(sound / 7, 100), atol=1e-3)
    assert 0.9 < loud.max() < 1.4 and loud.min() >= 0
    assert loudness(np.zeros(3200), 10).shape == (10,)


def test_sounds_that_are_too_short_end_in_silence() -> None:
    assert (loudness(np.ones(640 * 4), 8)[4:] == 0).all()


@pytest.mark.parametrize("size", [0.1, 0.6])
def test_what_is_too_fast_is_smoothed_and_the_rest_stays(size: float) -> None:
    poses = swaying(400)
    limits = tuple(1.01 * float(speed.max()) for speed in speeds(poses))
    poses[200:, 0, 3] += size
    slow = within_limits(poses, limits)
    assert speeds(slow)[1].max() <= limits[1] * (1 + 1e-6)
    assert np.allclose(slow[:100], poses[:100]) and np.allclose(slow[300:], poses[300:])
