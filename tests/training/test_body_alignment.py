"""The body's motion, found again in pictures of which it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gaussian_renderer.render import render
from media.images import write_image
from scene.head import GaussianHead
from scene.torso import Torso
from tests.tiny_head import FOCAL, make_dataset, make_head
from training.body_alignment import aligned
from training.dataset import WholePerson
from training.frame_store import FrameStore
from training.torso import measure_body, new_torso, whole_frames

FRAMES = [2, 9, 15]


def _true_motion(frames: int) -> torch.Tensor:
    """Up to two pixels, and a little turn."""
    generator = torch.Generator().manual_seed(3)
    motion = torch.zeros(frames, 12)
    motion[:, :2] = (torch.rand(frames, 2, generator=generator) - 0.5) * 4 / FOCAL
    motion[:, 2:6] = (torch.rand(frames, 4, generator=generator) - 0.5) * 0.04
    return motion


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[GaussianHead, Torso, FrameStore, torch.Tensor]:
    """A patterned torso, and frames that show it as it has moved."""
    folder = make_dataset(tmp_path_factory.mktemp("data") / "set")
    dataset = WholePerson(folder.root)
    body = measure_body(dataset)
    torso, head = new_torso(dataset, body, 400), make_head()
    torch.manual_seed(0)
    torso.sh_dc.data.normal_(0, 1.2)
    torso.log_scales.data.clamp_(max=-2.6)
    torso.logit_opacities.data.fill_(4.0)
    motion = _true_motion(dataset.num_frames)
    store = whole_frames(head, dataset.audio, dataset, body, "cpu")
    store.set_body(motion)
    with torch.no_grad():
        for i in FRAMES:
            batch = store.batch([i])
            image = render(head.deform(batch.drive, head.at_rest(torso)), batch.drive.camera, batch.background).image
            write_image(folder.ground_truth_image(i), (image[0].clamp(0, 1) * 255).round().byte().numpy())
    dataset = WholePerson(Path(folder.root))
    return head, torso, whole_frames(head, dataset.audio, dataset, body, "cpu"), motion


def _off(motion: torch.Tensor, true: torch.Tensor) -> float:
    """Pixels, at places of the body."""
    places = torch.tensor([[-0.15, 0.2], [0.15, 0.2], [0.0, 0.24]])
    apart = motion - true
    change = apart[:, 2:6].unflatten(1, (2, 2))
    moved = apart[:, None, :2] + places @ change.mT
    return float(moved[FRAMES].norm(dim=-1).max()) * FOCAL


def test_motion_is_found_again(scene) -> None:
    head, torso, store, true = scene
    rough = true + 0.35 * _true_motion(len(true)).roll(1, 0)
    done: list[int] = []
    found = aligned(head, torso, store, FRAMES, rough, batch=2, rounds=8, done=done.append)
    before, after = _off(rough, true), _off(found, true)
    assert before > 0.5 and after < 0.4 * before
    others = np.setdiff1d(np.arange(len(true)), FRAMES)
    assert torch.equal(found[others], rough[others]) and sum(done) == len(FRAMES)


def test_what_is_right_stays(scene) -> None:
    head, torso, store, true = scene
    found = aligned(head, torso, store, FRAMES, true, batch=3, rounds=3)
    assert _off(found, true) < 0.1


def test_no_rounds_change_nothing(scene) -> None:
    head, torso, store, true = scene
    assert torch.equal(aligned(head, torso, store, FRAMES, true, batch=1, rounds=0), true)
