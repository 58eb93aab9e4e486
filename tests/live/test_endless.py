import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from live.endless import FADE, PIECE, endless_blinks, endless_idle, endless_poses
from motion.blinks import BlinkModel, blink_rate, find_blinks
from motion.head_motion import HeadMotion, speeds
from motion.idle import IdleMotion

LONG = 6 * PIECE


def taken(endless, count=LONG):
    return np.stack([next(endless) for _ in range(count)])


def seams(length=LONG):
    """Whether each frame is in or beside a passage from one piece to the next."""
    at = np.arange(length)
    return (at >= PIECE - 1) & (at % PIECE < FADE + 1) | (at % PIECE == PIECE - 1)


@pytest.fixture(scope="module")
def idle():
    walk = np.random.default_rng(0).normal(0, 1, (2000, 3))
    return IdleMotion.fit(gaussian_filter1d(walk, 8, axis=0) * [1, 2, 3] + [0, 5, -5])


@pytest.fixture(scope="module")
def blinks():
    eyes = np.random.default_rng(0).normal(0.1, 0.01, 3000)
    for onset in range(40, 2900, 83):
        eyes[onset : onset + 5] += 0.4, 0.8, 0.7, 0.4, 0.1
    return BlinkModel.fit(eyes)


@pytest.fixture(scope="module")
def motion():
    random, count = np.random.default_rng(0), 600
    wander = gaussian_filter1d(random.normal(0, 1, (count, 6)), 12, axis=0)
    views = np.tile(np.eye(4), (count, 1, 1))
    views[:, :3, :3] = Rotation.from_rotvec(0.4 * wander[:, :3]).as_matrix()
    views[:, :3, 3] = 0.3 * wander[:, 3:] + [0, 0, 10]
    return HeadMotion.of_clip(views, [(0, count)], np.ones(count), random.random(count))


def test_idle_motion_goes_on_without_a_seam(idle):
    codes = taken(endless_idle(idle, 1))
    step = np.abs(np.diff(codes, axis=0)) / idle.spread
    inside = seams()[1:]
    assert step[inside].max() < 1.5 * step[~inside].max()
    away = (codes - idle.middle) / idle.spread
    assert away[seams()].std() == pytest.approx(away[~seams()].std(), rel=0.35)
    assert np.abs(away[:PIECE] - away[PIECE : 2 * PIECE]).mean() > 0.3  # and does not repeat


def test_blinks_go_on_whole(blinks):
    eyes = taken(endless_blinks(blinks, 2), 20 * PIECE)
    assert eyes.min() >= 0 and eyes.max() <= 1
    assert blink_rate(eyes) == pytest.approx(blink_rate(np.array(blinks.generate(20 * PIECE, 5))), rel=0.25)
    found = find_blinks(eyes)
    near = [
        blink for blink in found if blink.onset >= PIECE and (blink.onset % PIECE < FADE or blink.offset % PIECE < FADE)
    ]
    assert near and all(2 <= blink.offset - blink.onset <= 8 and blink.height > 0.5 for blink in near)
    covered = np.zeros(len(eyes), bool)
    for blink in found:
        covered[blink.onset - 2 : blink.offset + 2] = True
    still = np.abs(np.diff(eyes))[~covered[1:] & ~covered[:-1]]
    assert still.max() < 0.12


def test_lids_that_drift_do_not_jump_where_pieces_meet():
    drifting = BlinkModel(np.array([[0.3, 0.6, 0.3]]), 4.0, 0.5, 0.2, 0.04, 0.99)
    steps = np.abs(np.diff(taken(endless_blinks(drifting, 0), 20 * PIECE)))
    assert steps[seams(20 * PIECE)[1:] & (steps < 0.2)].max() < 0.05


def test_a_head_goes_on_turning_as_fast_as_ever(motion):
    rows = taken(endless_poses(motion, 3))
    poses = rows[:, :16].reshape(-1, 4, 4)
    np.testing.assert_allclose(
        poses[:, :3, :3] @ np.swapaxes(poses[:, :3, :3], 1, 2), np.tile(np.eye(3), (LONG, 1, 1)), atol=1e-9
    )
    for speed in speeds(poses):
        assert speed[seams()[1:]].max() < 1.5 * speed[~seams()[1:]].max()


def test_the_body_goes_with_the_head(motion):
    body = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (600, 12)), axis=0)
    rows = taken(endless_poses(motion, 3, body, lambda poses: np.repeat(poses[:, :1, 3], 12, axis=1)))
    step = np.abs(np.diff(rows[:, 16:], axis=0))
    assert rows[:, 16:].std() > 0.01 and step[seams()[1:]].max() < 2 * step[~seams()[1:]].max()


def test_the_same_seed_gives_the_same_and_another_does_not(idle, blinks, motion):
    for make in (
        lambda s: endless_idle(idle, s),
        lambda s: endless_blinks(blinks, s),
        lambda s: endless_poses(motion, s),
    ):
        first, again, other = (taken(make(seed), PIECE + FADE) for seed in (1, 1, 2))
        assert np.array_equal(first, again) and not np.allclose(first, other)


def test_one_piece_is_all_that_is_kept(idle):
    endless = endless_idle(idle, 0)
    for _ in itertools.repeat(None, 5 * PIECE):
        next(endless)
    kept = [value.nbytes for value in vars(endless).values() if isinstance(value, np.ndarray)]
    assert sum(kept) <= (PIECE + FADE) * 3 * 8
