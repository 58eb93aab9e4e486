"""Idle motion of expression codes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter, welch

from motion.idle import SPREAD, IdleMotion


def _wandering(num_frames: int, seed: int = 0) -> np.ndarray:
    """A slow code about 2, a faster one about -1 of half its spread, and one that does not move."""
    noise = np.random.default_rng(seed).normal(size=(2, num_frames + 500))
    slow, fast = (
        lfilter([1], [1, -a], row)[500:] * (1 - a * a) ** 0.5 for a, row in zip((0.98, 0.9), noise, strict=True)
    )
    return np.stack([2 + slow, -1 + 0.5 * fast, np.full(num_frames, 3.0)], axis=1)


def test_codes_wander_about_the_persons_mean_with_part_of_the_spread() -> None:
    codes = _wandering(3000)
    idle = IdleMotion.fit(codes)
    own = np.concatenate([idle.generate(4000, seed) for seed in range(6)])
    np.testing.assert_allclose(own.mean(0), codes.mean(0), atol=0.12)
    np.testing.assert_allclose(own.std(0), SPREAD * codes.std(0), rtol=0.12, atol=1e-6)
    assert (own[:, 2] == 3).all()


def test_the_spectrum_is_the_persons_below_one_hertz_and_empty_above_two() -> None:
    codes = _wandering(6000)
    own = IdleMotion.fit(codes).generate(12_000, 1)
    for k in (0, 1):
        frequencies, power = welch(own[:, k], 25, nperseg=512)
        true = welch(codes[:, k], 25, nperseg=512)[1]
        octaves = [(0.1, 0.25), (0.25, 0.5), (0.5, 1.0)]
        ratios = [
            power[(frequencies >= a) & (frequencies < b)].sum() / true[(frequencies >= a) & (frequencies < b)].sum()
            for a, b in octaves
        ]
        assert max(ratios) / min(ratios) < 1.9
        assert power[frequencies > 2.2].sum() < 1e-3 * power.sum()
    steps = [np.diff(series[:, 1]).std() / series[:, 1].std() for series in (own, codes)]
    assert steps[0] < 0.2 < 0.4 < steps[1]  # it does not jitter as tracking does


def test_the_seed_makes_the_motion_and_it_does_not_come_round() -> None:
    idle = IdleMotion.fit(_wandering(600))
    first = idle.generate(500, 1)
    np.testing.assert_array_equal(first, idle.generate(500, 1))
    assert np.abs(first - idle.generate(500, 2)).max() > 0.1
    assert len(idle.generate(0, 1)) == 0
    ends = np.array([idle.generate(200, seed)[[0, -1], 0] for seed in range(300)])
    assert abs(np.corrcoef(ends.T)[0, 1]) < 0.25


@pytest.mark.parametrize("num_frames", [1, 10, 60])
def test_short_clips_have_idle_motion(num_frames: int) -> None:
    codes = _wandering(num_frames)
    own = IdleMotion.fit(codes).generate(500, 0)
    assert np.isfinite(own).all()
    assert (np.abs(own - codes.mean(0)) <= 2.5 * codes.std(0) + 1e-6).all()


def test_frames_without_the_person_teach_nothing() -> None:
    codes = _wandering(1000)
    usable = np.ones(1000, bool)
    usable[300:400] = usable[:20] = False
    broken = codes.copy()
    broken[~usable] = 50.0
    for name, value in IdleMotion.fit(broken, usable).arrays().items():
        np.testing.assert_array_equal(value, IdleMotion.fit(codes, usable).arrays()[name])


def test_what_is_no_idle_motion_is_refused() -> None:
    arrays = IdleMotion.fit(_wandering(300)).arrays()
    np.testing.assert_array_equal(IdleMotion.from_arrays(arrays).generate(50, 0)[:, 2], 3)
    for name, value in (
        ("spectrum", -arrays["spectrum"]),
        ("spectrum", arrays["spectrum"][:, :1]),
        ("spectrum", arrays["spectrum"][:2]),
        ("middle", np.full(3, np.nan)),
        ("spread", np.full(3, -1.0)),
    ):
        with pytest.raises(ValueError, match="idle motion"):
            IdleMotion.from_arrays({**arrays, name: value})
    with pytest.raises(KeyError):
        IdleMotion.from_arrays({"middle": arrays["middle"]})
