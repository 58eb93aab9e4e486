"""A face in a video drives a head: what is measured of it, and how it is brought to the person's range."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from arguments.errors import EGSTalkerError
from data_utils.face_mesh import IBUG_68
from motion.face_measures import FaceMeasures, aligned
from motion.head_turns import turned_poses
from motion.video_driver import LIKENESS, DriverFace, brought_to_range, follow_driver, reenact
from tests.motion.made_face import dense_points, lively, motion_of_face, moving_face, moving_points, of_code


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def _driver(movements: dict[str, np.ndarray]) -> DriverFace:
    """Somebody else: larger, with another face at rest, and who moves half as much."""
    movements = {name: 0.3 + 0.5 * way for name, way in movements.items()}
    stranger = np.random.default_rng(5).normal(0, 0.01, (478, 3))
    points = 1.2 * (moving_points(movements) + stranger) + 0.1
    pixels = points[:, IBUG_68, :2] * (90, -90) + 128
    length = len(points)
    return DriverFace(points, pixels, np.linspace(0, 1, length), np.repeat(np.eye(3)[None], length, 0))


def test_another_face_moves_the_head_as_it_moves() -> None:
    motion, asked = motion_of_face(moving_face(lively(seed=1))), lively(3000, seed=2)
    driven = reenact(_driver(asked), motion)
    made = of_code(motion.code, driven.codes.double().numpy())
    for name, values in made.items():
        assert _correlation(values, asked[name]) > (0.98 if name == "gap" else 0.9), name
    np.testing.assert_allclose(driven.eyes, np.linspace(0, 1, 3000), atol=1e-6)
    own, codes = motion.measured.numpy(), driven.codes.numpy()
    alive = own.std(0) > 0.5  # there are no more movements
    assert np.abs(codes.mean(0)).max() < 0.6 and alive.sum() == 9
    assert (codes.std(0)[alive] > 0.65 * LIKENESS).all() and (codes.std(0)[alive] < 1.2).all()
    assert (codes >= own.min(0) - 1e-5).all() and (codes <= own.max(0) + 1e-5).all()


def test_heads_of_68_landmarks_and_of_unknown_meshes_are_driven_too() -> None:
    face, asked = moving_face(lively(seed=1)), lively(seed=2)
    rows = [round(k * 467 / 477) for k in IBUG_68]
    flat = aligned(face.points[:, rows, :2] * (1, -1))
    dense = dense_points(face)
    at = dense.mean(0)[:, :2]
    corners = [int(np.linalg.norm(at - (side, -0.4), axis=1).argmin()) for side in (-0.26, 0.26)]
    for points, (left, right) in ((flat, (48, 54)), (dense, corners)):
        motion = motion_of_face(FaceMeasures(points, face.gap, face.blink))
        codes = reenact(_driver(asked), motion).codes.double().numpy()
        assert _correlation(motion.code.gap(codes), asked["gap"]) > 0.97
        drawn = motion.code.points(codes)
        assert _correlation(drawn[:, right, 0] - drawn[:, left, 0], asked["width"]) > 0.85


def test_long_videos_take_the_persons_quantiles_and_short_ones_keep_their_own() -> None:
    generator = np.random.default_rng(0)
    own = np.stack([generator.gamma(2, 1, 2000), generator.normal(0, 1, 2000)], axis=1)
    long = np.stack([generator.normal(4, 3, 40_000), generator.uniform(0, 9, 40_000)], axis=1)
    brought = brought_to_range(long, own)
    for rank in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(np.quantile(brought, rank, axis=0), np.quantile(own, rank, axis=0), atol=0.2)
    order = np.argsort(long[:, 0])
    assert (np.diff(brought[order, 0]) >= 0).all()
    short = generator.normal(1.2, 0.3, (10, 2))
    np.testing.assert_allclose(brought_to_range(short, own), short, atol=0.1)


def test_what_hardly_moves_is_not_blown_up() -> None:
    generator = np.random.default_rng(0)
    own, still = generator.normal(0, 1, (2000, 3)), generator.normal(0, 0.05, (2000, 3))
    still[:, 2] = 0.0
    brought = brought_to_range(still, own)
    assert (brought.std(0) < 0.2).all() and np.isfinite(brought).all()


def _poses(vectors: np.ndarray, middle: Rotation) -> torch.Tensor:
    poses = torch.eye(4).repeat(len(vectors), 1, 1)
    poses[:, :3, :3] = torch.from_numpy((middle * Rotation.from_rotvec(vectors)).as_matrix()).float()
    poses[:, :3, 3] = torch.arange(3.0 * len(vectors)).reshape(-1, 3)
    return poses


def test_a_head_turns_as_the_other_about_its_own_mean_and_no_farther_than_it_was_seen() -> None:
    camera = Rotation.from_matrix(np.diag([1.0, -1.0, -1.0]))
    middle = camera * Rotation.from_euler("xyz", (5, -10, 3), degrees=True)
    time = np.arange(500) / 25
    seen = _poses(0.1 * np.stack([np.sin(time * k) for k in (1.1, 1.7, 2.3)], axis=1), middle)
    lent = seen[:300]

    def turned(size: float) -> np.ndarray:
        asked = size * np.stack([np.sin(time[:300] * k) for k in (1.3, 0.9, 0.7)], axis=1)
        other = Rotation.from_euler("xyz", (-20, 30, 8), degrees=True) * Rotation.from_rotvec(asked)
        poses = turned_poses(other.as_matrix(), lent, seen)
        torch.testing.assert_close(poses[:, :3, 3], lent[:, :3, 3])
        own = middle.inv() * Rotation.from_matrix(poses[:, :3, :3].double().numpy())
        return np.stack([own.as_rotvec(), asked])

    made, asked = turned(0.02)
    np.testing.assert_allclose(made - made.mean(0), asked - asked.mean(0), atol=0.003)
    made, asked = turned(0.3)
    assert np.abs(made).max() < 0.115
    assert all(_correlation(made[:, k], np.tanh(asked[:, k] / 0.1)) > 0.98 for k in range(3))


def test_the_face_in_a_video_is_followed(talking_head: Path) -> None:
    counted: list[int] = []
    face = follow_driver(talking_head, lambda pictures, total: counted.append(total) or pictures)
    assert len(face) == 60 and counted == [60]
    with np.load(talking_head.with_name("head_truth.npz")) as truth:
        opening, eyes = truth["mouth_open"], truth["eye_open"]
    from motion.face_measures import landmark_gap

    assert _correlation(landmark_gap(face.landmarks), opening) > 0.9
    assert face.blink.min() >= 0 and face.blink.max() <= 1 and face.blink.shape == eyes.shape
    across = np.linalg.norm(face.points[:, 33] - face.points[:, 263], axis=1)
    assert np.abs(across - across.mean()).max() < 0.06 * across.mean() and 0.6 < across.mean() < 1.3
    np.testing.assert_allclose(face.turning @ face.turning.swapaxes(1, 2), np.eye(3)[None].repeat(60, 0), atol=1e-6)


def test_a_person_drives_herself_as_she_was_measured(talking_head: Path) -> None:
    from motion.face_measures import chosen_points, landmark_gap

    face = follow_driver(talking_head)
    rows = chosen_points(torch.from_numpy(face.points))
    own = FaceMeasures(face.points[:, rows.numpy()], landmark_gap(face.landmarks), face.blink.astype(np.float64))
    motion = motion_of_face(own)
    taken = np.ones(len(motion.code))
    taken[1 : 1 + len(motion.code.lower)] = LIKENESS
    np.testing.assert_allclose(reenact(face, motion).codes, motion.measured * taken, atol=0.2)


def test_videos_that_cannot_drive_are_refused(make_video: Callable[..., Path], tmp_path: Path) -> None:
    blank = make_video("blank.mp4", [k / 25 for k in range(40)])
    with pytest.raises(EGSTalkerError, match=r"blank\.mp4: no face in the video"):
        follow_driver(blank)
    with pytest.raises(EGSTalkerError, match=r"lasts 0\.4 s; a driving video has 1 to 900 s"):
        follow_driver(make_video("short.mp4", [k / 25 for k in range(10)]))
    with pytest.raises(EGSTalkerError, match=r"lasts 9\d\d\.\d s"):
        follow_driver(make_video("long.mp4", [30.0 * k for k in range(32)]))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(EGSTalkerError, match=r"text\.mp4"):
        follow_driver(tmp_path / "text.mp4")
