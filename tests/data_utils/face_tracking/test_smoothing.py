"""Smoothing that neither lags nor blurs."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_tracking.perspective import Poses
from data_utils.face_tracking.smoothing import EMA, ema_both_ways, measured_noise, noise_around, smooth, smooth_poses


def test_nothing_is_averaged_across_a_cut():
    values = np.concatenate([np.zeros((20, 1)), np.ones((20, 1))])
    noise = np.ones(1)
    assert np.abs(smooth(values, noise) - values).max() > 0.1
    assert np.array_equal(smooth(values, noise, cuts=[20]), values)


def test_average_is_the_recursion_run_forth_and_back():
    values = np.random.default_rng(0).normal(size=(200, 1))
    forth = values.copy()
    for i in range(1, 200):
        forth[i] = EMA * values[i] + (1 - EMA) * forth[i - 1]
    back = forth.copy()
    for i in range(198, -1, -1):
        back[i] = EMA * forth[i] + (1 - EMA) * back[i + 1]
    np.testing.assert_allclose(ema_both_ways(values)[20:-20], back[20:-20], atol=1e-8)


def test_a_sine_keeps_its_phase():
    time = np.arange(250)
    smoothed = ema_both_ways(np.sin(2 * np.pi * time / 12.5)[:, None])[:, 0]
    wave = np.exp(2j * np.pi * time / 12.5)[50:200]
    phase = np.angle(
        (smoothed[50:200] * wave.conj()).sum() / (np.sin(2 * np.pi * time / 12.5)[50:200] * wave.conj()).sum()
    )
    assert abs(phase) < 1e-3  # one frame of lag would be 0.5


def test_a_steady_motion_passes_unchanged_to_the_very_ends():
    line = np.linspace(0, 5, 40)[:, None]
    np.testing.assert_allclose(ema_both_ways(line), line, atol=1e-6)


def test_noise_is_lessened_and_a_cut_stays_sharp():
    rng = np.random.default_rng(1)
    true = np.where(np.arange(300) < 150, 0.0, 5.0)[:, None] + 0.01 * np.arange(300)[:, None]
    noisy = true + rng.normal(0, 0.1, true.shape)
    smoothed = smooth(noisy, measured_noise(noisy))
    away = np.abs(np.arange(300) - 150) > 8
    assert np.diff(smoothed - true, axis=0)[away[1:]].std() < 0.6 * np.diff(noisy - true, axis=0)[away[1:]].std()
    assert smoothed[150, 0] - smoothed[149, 0] > 4.7


def test_noise_is_told_where_it_is_and_outliers_and_filled_rows_are_none():
    rng = np.random.default_rng(3)
    true = np.stack([np.sin(np.arange(400) / 20), np.arange(400) / 50], -1)
    spread = np.where((np.arange(400) >= 250) & (np.arange(400) < 350), 0.09, 0.03)
    noisy = true + rng.normal(size=true.shape) * spread[:, None]
    noisy[100] += 5.0
    usable = np.ones(400, bool)
    usable[180:200], noisy[180:200] = False, true[180:200]
    noise = noise_around(noisy, usable)
    assert noise.shape == noisy.shape and (noise >= measured_noise(noisy, usable)).all()
    assert 0.025 < np.median(noise[:230]) < 0.045 and noise[:230].max() < 0.07
    assert 0.06 < np.median(noise[265:335]) < 0.12
    quiet = noise_around(true, usable)
    assert np.abs(quiet).max() < 1e-3
    np.testing.assert_array_equal(noise_around(noisy[:6]), np.zeros((6, 2)))
    np.testing.assert_array_equal(noise_around(noisy[:2]), np.zeros((2, 2)))


def test_fast_motion_is_not_flattened():
    time = np.arange(300)
    nod = 2.0 * np.sin(2 * np.pi * time / 8)[:, None]
    noise = np.random.default_rng(2).normal(0, 0.02, nod.shape)
    assert np.abs(ema_both_ways(nod) - nod)[20:-20].max() > 0.3  # what the average alone would lose
    assert np.abs(smooth(nod + noise, np.array([0.02])) - nod)[20:-20].max() < 0.1


def test_measures_white_noise_under_motion():
    time = np.arange(1000) / 25
    motion = 5 * np.sin(2 * np.pi * 0.5 * time)[:, None]
    noise = np.random.default_rng(3).normal(0, 0.2, motion.shape)
    assert measured_noise(motion + noise)[0] == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_very_short_tracks_pass(count):
    poses = Poses(np.tile(np.eye(3), (count, 1, 1)), np.tile([0.1, 0.2, -8.0], (count, 1)))
    smoothed = smooth_poses(poses)
    np.testing.assert_allclose(smoothed.translation, poses.translation, atol=1e-9)


def test_poses_come_closer_to_the_truth(scene):
    rng = np.random.default_rng(4)
    step = rng.normal(0, [0.004] * 3 + [0.002, 0.002, 0.02], (len(scene.rotation), 6))
    noisy = Poses(scene.rotation, scene.translation).moved(step)
    smoothed = smooth_poses(noisy)
    before, after = (angle_errors(p.rotation, scene.rotation) for p in (noisy, smoothed))
    assert rms(np.diff(after, axis=0)) < 0.5 * rms(np.diff(before, axis=0)) and rms(after) < 0.8 * rms(before)
    off = [np.abs(p.translation - scene.translation).mean() for p in (noisy, smoothed)]
    assert off[1] < 0.85 * off[0]


def test_interpolated_rows_do_not_pass_for_quiet_ones():
    values = np.random.default_rng(0).normal(0, 1.0, (400, 1))
    usable = np.arange(400) < 180
    values[~usable] = 0.0
    assert measured_noise(values)[0] < 0.5
    assert measured_noise(values, usable)[0] == pytest.approx(1.0, rel=0.15)
