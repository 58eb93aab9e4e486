"""Ways through a clip: forward, and nobody sees where they return."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion.frame_path import FADE, FramePath, forward_path, places_of, unbroken, wandering_path

NUMBER = 600


def swaying(number: int = NUMBER, seed: int = 0) -> np.ndarray:
    """Poses of a head that sways smoothly, two metres and more from its camera."""
    random = np.random.default_rng(seed)
    time = np.arange(number) / 25
    waves = [
        sum(random.normal(0, 0.05) * np.sin(2 * np.pi * f * time + random.uniform(0, 6)) for f in (0.1, 0.23, 0.6))
        for _ in range(6)
    ]
    poses = np.tile(np.eye(4), (number, 1, 1))
    poses[:, :3, :3] = Rotation.from_rotvec(np.stack(waves[:3], 1)).as_matrix()
    poses[:, :3, 3] = np.stack(waves[3:], 1) + np.array([0, 0, 20])
    return poses


def _speeds(poses: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(places_of(poses), axis=0), axis=1)


def test_the_clip_is_played_forward_and_returns_smoothly() -> None:
    poses = swaying()
    path = forward_path(places_of(poses), (0, NUMBER), 3000)
    assert len(path) == 3000 and path.first[0] == 0
    whole = path.mix == 0
    steps = np.diff(path.first)
    assert set(steps[whole[1:] & whole[:-1]]) <= {1}  # never backward, never still
    assert np.count_nonzero(~whole) >= FADE and np.flatnonzero(~whole)[0] > NUMBER // 2
    assert _speeds(path.poses(poses)).max() < 1.5 * _speeds(poses).max()


def test_a_jump_back_would_have_shown() -> None:
    poses = swaying()
    there = forward_path(places_of(poses), (0, NUMBER), 3000)
    cut = FramePath.of(np.where(there.mix > 0.5, there.second, there.first))
    assert _speeds(cut.poses(poses)).max() > 1.5 * _speeds(poses).max()


@pytest.mark.parametrize("length", [1, 2, 3, 5, 9, 20, 40])
def test_short_pieces_give_films_too(length: int) -> None:
    path = forward_path(places_of(swaying()[100 : 100 + length]), (0, length), 90)
    assert len(path) == 90 and path.first[0] == 0
    assert min(path.first.min(), path.second.min()) >= 0 and max(path.first.max(), path.second.max()) < length


def test_a_wandering_path_goes_forward_in_every_piece() -> None:
    poses, pieces = swaying(), [(10, 250), (260, 600)]
    path = wandering_path(places_of(poses), pieces, 15_000, seed=1)
    assert len(path) == 15_000
    whole = path.mix == 0
    assert set(np.diff(path.first)[whole[1:] & whole[:-1]]) <= {1}
    inside = np.zeros(NUMBER, bool)
    for begin, end in pieces:
        inside[begin:end] = True
    assert inside[path.first].all() and inside[path.second].all()
    assert _speeds(path.poses(poses)).max() < 2 * _speeds(poses).max()
    assert len(set(path.first.tolist())) > 400  # all of the clip is made use of


def test_a_seed_is_a_path() -> None:
    places, pieces = places_of(swaying()), [(0, NUMBER)]
    one, again, other = (wandering_path(places, pieces, 2000, seed) for seed in (3, 3, 4))
    assert (one.first == again.first).all() and (one.mix == again.mix).all() and (one.first != other.first).any()


def test_speech_is_shown_with_speech() -> None:
    poses = swaying(3000)
    speaks = (np.arange(3000) // 150 % 2).astype(float)
    wanted = (np.arange(3000) // 200 % 2).astype(float)
    agree = []
    for given in (None, wanted):
        path = wandering_path(places_of(poses), [(0, 3000)], 3000, 0, speaks=speaks, wanted=given)
        agree.append(np.mean(path.blended(speaks).round() == wanted))
    assert agree[1] > max(0.6, agree[0])


def test_whole_frames_are_as_they_are() -> None:
    poses = swaying().astype(np.float32)
    assert (FramePath.of(range(NUMBER)).poses(poses) == poses).all()


def test_a_fade_turns_the_shortest_way() -> None:
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :3, :3] = Rotation.from_euler("y", 40, degrees=True).as_matrix()
    poses[1, 0, 3] = 1.0
    path = FramePath(np.array([0]), np.array([1]), np.array([0.25]))
    pose = path.poses(poses)[0]
    assert np.allclose(Rotation.from_matrix(pose[:3, :3]).as_euler("yxz", degrees=True), (10, 0, 0))
    assert np.allclose(pose[:3, 3], (0.25, 0, 0))


def test_stretches_end_at_holes_and_cuts() -> None:
    assert unbroken([]) == []
    assert unbroken([4]) == [(4, 5)]
    assert unbroken([0, 1, 2, 3], frozenset({0, 2})) == [(0, 2), (2, 4)]


def test_nowhere_to_go_is_said() -> None:
    with pytest.raises(ValueError, match="long enough"):
        wandering_path(places_of(swaying(3)), [(0, 2)], 10, 0)
