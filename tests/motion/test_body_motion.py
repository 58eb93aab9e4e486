"""Bodies that are followed through a clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from media.images import write_image
from motion.body_motion import MODES, BodyMotion, Shape, heights_at, learn_body_motion, measure
from tests.motion.test_frame_path import swaying

SIDE, FOCAL = 160, 300.0
LENS = np.array([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]])
FRAMES = 30


def _true_motion(seed: int = 0) -> np.ndarray:
    time = np.arange(FRAMES)[:, None] / FRAMES * 2 * np.pi
    phases = np.random.default_rng(seed).uniform(0, 6, 6)
    sizes = np.array([0.015, 0.01, 0.02, 0.01, 0.01, 0.02])
    motion = sizes * np.sin(time + phases)
    return motion - motion[10]  # at rest in frame 10


def _folder(root: Path, motion: np.ndarray, *, texture: float = 1.0, hidden: range = range(0)) -> DatasetFolder:
    """A patterned cloth that moves as ``motion`` says, below a wall."""
    folder = DatasetFolder(root)
    folder.frames.mkdir(parents=True)
    folder.parsing.mkdir()
    noise = np.random.default_rng(1).uniform(0, 255, (SIDE, SIDE)).astype(np.float32)
    cloth = 128 + texture * 3 * (cv2.GaussianBlur(noise, (0, 0), 2.5) - 128)
    middle = np.array([0.0, 0.15])
    for i, (shift, change) in enumerate(zip(motion[:, :2], motion[:, 2:].reshape(-1, 2, 2), strict=True)):
        # pixel = f (middle + shift + (1 + change) (u - middle)) + c
        linear = np.eye(2) + change
        offset = FOCAL * (middle + shift - linear @ middle) + (np.eye(2) - linear) @ LENS[:2, 2]
        matrix = np.concatenate([linear, (offset + (linear - np.eye(2)) @ [0.5, 0.5])[:, None]], 1)
        picture = cv2.warpAffine(cloth, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
        frame = np.full((SIDE, SIDE, 3), 128, np.uint8)
        parsing = np.full((SIDE, SIDE, 3), 255, np.uint8)
        if i not in hidden:
            frame[60:] = np.clip(picture, 0, 255).astype(np.uint8)[60:, :, None]
            parsing[60:] = (255, 0, 0)
        write_image(folder.frame(i), frame)
        write_image(folder.parsing_map(i), parsing)
    return folder


ALL = np.ones(FRAMES, bool)


def _moved(found: np.ndarray, shape: Shape, places: np.ndarray) -> np.ndarray:
    """Where places of the picture at rest have gone in each frame."""
    away = places - shape.middle
    affine = found[:, None, :2] + np.einsum("nij,pj->npi", found[:, 2:6].reshape(-1, 2, 2), away)
    modes = np.einsum("nk,kgd,pg->npd", found[:, 6:], shape.modes, heights_at(away, shape.bumps))
    return places + affine + modes


def test_the_bodys_motion_is_measured(tmp_path: Path) -> None:
    true = _true_motion()
    found, shape = measure(_folder(tmp_path, true), FRAMES, 10, LENS, ALL, ALL)
    places = np.stack(np.meshgrid(np.linspace(-0.15, 0.15, 4), np.linspace(0.05, 0.2, 4)), -1).reshape(-1, 2)
    middle = np.array([0.0, 0.15])
    change = true[:, 2:].reshape(-1, 2, 2)
    expected = places + true[:, None, :2] + np.einsum("nij,pj->npi", change, places - middle)
    assert np.abs(_moved(found, shape, places) - expected).max() * FOCAL < 0.8  # pixels
    assert np.abs(expected - places).max() * FOCAL > 5


def test_what_is_not_affine_is_measured_in_modes(tmp_path: Path) -> None:
    """One half of the cloth rises, the other does not."""
    folder = _folder(tmp_path, np.zeros((FRAMES, 6)))
    still = cv2.imread(str(folder.frame(10)))
    x = np.arange(SIDE, dtype=np.float32)
    for i in range(FRAMES):
        rise = 4 * np.sin(2 * np.pi * (i - 10) / FRAMES) / (1 + np.exp(-(x - SIDE / 2) / 10))
        grid_x, grid_y = np.meshgrid(x, x)
        frame = cv2.remap(still, grid_x, grid_y + rise[None].astype(np.float32), cv2.INTER_LINEAR)
        frame[:60] = 128
        write_image(folder.frame(i), frame[..., ::-1])
    found, shape = measure(folder, FRAMES, 10, LENS, ALL, ALL)
    places = np.array([[-0.18, 0.1], [0.18, 0.1]])
    moved = (_moved(found, shape, places) - places) * FOCAL
    assert np.abs(moved[:, 0, 1]).max() < 1 and 3 < np.ptp(moved[:, 1, 1]) < 10
    assert np.abs(found[:, 6]).max() > 0


def test_hidden_frames_lie_between_the_others(tmp_path: Path) -> None:
    true = _true_motion()
    found, _ = measure(_folder(tmp_path, true, hidden=range(14, 18)), FRAMES, 10, LENS, ALL, ALL)
    low, high = np.minimum(found[13], found[18]), np.maximum(found[13], found[18])
    assert (found[14:18] >= low - 1e-3).all() and (found[14:18] <= high + 1e-3).all()


def test_plain_cloth_tells_nothing(tmp_path: Path) -> None:
    found, _ = measure(_folder(tmp_path, _true_motion(), texture=0.0), FRAMES, 10, LENS, ALL, ALL)
    assert (found == 0).all()


def test_the_body_follows_the_head(tmp_path: Path) -> None:
    poses = swaying(400)
    poses[:, :3, 3] *= 3
    motion = np.zeros((400, 12))
    motion[:, 0] = 0.02 * (poses[:, 0, 3] - poses[:, 0, 3].mean())
    body = _learnt(poses, motion)
    told = body.follow(poses)
    assert np.corrcoef(told[:, 0], motion[:, 0])[0, 1] > 0.95
    assert np.abs(told[:, 1:]).max() < 1e-6


def test_a_body_that_does_its_own_does_not_follow() -> None:
    poses = swaying(400)
    motion = np.zeros((400, 12))
    motion[:, 1] = 0.01 * np.sin(np.arange(400) / 3.1)
    assert _learnt(poses, motion).follow(poses)[:, 1].std() < 0.5 * motion[:, 1].std()


def _learnt(poses: np.ndarray, motion: np.ndarray) -> BodyMotion:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "motion.body_motion.measure",
            lambda *_: (motion, Shape(np.zeros(2), np.ones((1, 3)), np.zeros((MODES, 1, 2)))),
        )
        all_of_it = np.ones(len(poses), bool)
        return learn_body_motion(DatasetFolder(Path()), poses, LENS, all_of_it, all_of_it)


def test_what_was_learnt_comes_back_from_its_file(tmp_path: Path) -> None:
    folder, body = ModelFolder(tmp_path), _learnt(swaying(100), np.random.default_rng(0).normal(0, 0.01, (100, 12)))
    body.save(folder)
    again = BodyMotion.load(folder)
    assert (again.measured == body.measured).all() and again.rest == body.rest
    assert (again.follow(swaying(50)) == body.follow(swaying(50))).all()


@pytest.mark.parametrize(
    "change",
    [
        ("rest", np.array(100)),
        ("measured", np.zeros((100, 5))),
        ("middle", np.full(2, np.nan)),
        ("bumps", np.zeros((2, 3))),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, change: tuple[str, np.ndarray]) -> None:
    body = _learnt(swaying(100), np.zeros((100, 12)))
    with pytest.raises(ValueError):
        BodyMotion.from_arrays(body.arrays() | dict([change]))
    folder = ModelFolder(tmp_path)
    with pytest.raises(EGSTalkerError, match="--only torso"):
        BodyMotion.load(folder)
    body.save(folder)
    folder.body_motion.write_bytes(folder.body_motion.read_bytes()[:100])
    with pytest.raises(EGSTalkerError, match="--only torso"):
        BodyMotion.load(folder)
