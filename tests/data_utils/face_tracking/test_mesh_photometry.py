"""The lit and textured mesh is matched with pictures that an independent renderer made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_tracking import mesh_photometry
from data_utils.face_tracking.mesh_track import MeshTrack
from data_utils.face_tracking.perspective import Poses
from media.images import write_image
from tests.data_utils.face_tracking import pytorch3d_stand_in
from tests.data_utils.face_tracking.made_up_bfm import make_face
from tests.data_utils.face_tracking.test_model_fitting import as_model, make_clip

WIDTH, HEIGHT, FOCAL = 96, 80, 260.0
COUNT = 10


@pytest.fixture
def stand_in(monkeypatch):
    pytorch3d_stand_in.install(monkeypatch)
    monkeypatch.setattr(mesh_photometry, "BATCH", 5)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """A clip whose pictures are splatted from dense samples of the surface, lit from the left; and its true track."""
    folder = tmp_path_factory.mktemp("filmed")
    model = as_model(make_face(side=25, expressions=3))
    clip = make_clip(model, COUNT)
    truth = MeshTrack(
        FOCAL,
        Poses(clip.rotation, clip.translation),
        clip.identity,
        clip.expression,
        np.ones(COUNT),
        np.ones(COUNT),
    )
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(model.faces), size=400_000)
    share = rng.dirichlet(np.ones(3), 400_000)
    albedo = (model.colors(np.zeros(5))[model.faces[chosen]] * share[..., None]).sum(1)
    frames = []
    for i in range(COUNT):
        camera = clip.vertices[i] @ clip.rotation[i].T + clip.translation[i]
        a, b, c = np.moveaxis(camera[model.faces], 1, 0)
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        light = 0.75 + 0.25 * normal @ np.array([-0.6, 0.3, 0.74])
        points = (camera[model.faces[chosen]] * share[..., None]).sum(1)
        x, y = WIDTH / 2 + FOCAL * points[:, 0] / -points[:, 2], HEIGHT / 2 - FOCAL * points[:, 1] / -points[:, 2]
        inside = (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
        cell = (y.astype(int) * WIDTH + x.astype(int))[inside]
        total = np.bincount(cell, minlength=WIDTH * HEIGHT)
        shade = (albedo * light[chosen, None])[inside]
        image = (
            np.stack([np.bincount(cell, shade[:, k], WIDTH * HEIGHT) for k in range(3)], -1)
            / np.maximum(total, 1)[:, None]
        )
        write_image(folder / f"{i}.png", (image.reshape(HEIGHT, WIDTH, 3).clip(0, 1) * 255).round().astype(np.uint8))
        frames.append(folder / f"{i}.png")
    return model, truth, frames


def disturbed(truth: MeshTrack) -> MeshTrack:
    """Every third frame is a pixel and a degree off, with another expression; the others show the texture right."""
    rng = np.random.default_rng(1)
    steps = rng.normal(0, 1, (COUNT, 6)) * np.repeat([0.012, 0.02], 3) * (np.arange(COUNT) % 3 == 1)[:, None]
    expression = truth.expression + rng.normal(0, 0.3, truth.expression.shape) * (np.arange(COUNT) % 3 == 1)[:, None]
    return replace(truth, poses=truth.poses.moved(steps), expression=expression)


def apart(track: MeshTrack, truth: MeshTrack, model) -> np.ndarray:
    """Pixels [N] by which the mesh's vertices are off."""

    def pixels(t: MeshTrack) -> np.ndarray:
        x, y, z = np.moveaxis(t.poses.transform(model.vertices(model.person(t.identity), t.expression)), -1, 0)
        return FOCAL * np.stack([x, -y], -1) / -z[..., None]

    return np.sqrt(((pixels(track) - pixels(truth)) ** 2).sum(-1).mean(-1))


def test_poses_and_expressions_follow_the_colours(filmed, stand_in):
    model, truth, frames = filmed
    start = disturbed(truth)
    found = mesh_photometry.refine(start, model, frames, (WIDTH, HEIGHT), device="cpu")
    off = np.arange(COUNT) % 3 == 1
    before, after = apart(start, truth, model), apart(found, truth, model)
    assert before[off].mean() > 0.7
    assert after[off].mean() < 0.4 * before[off].mean()
    assert after[~off].mean() < 0.3
    turned = angle_errors(found.poses.rotation, truth.poses.rotation)
    assert rms(turned) < 0.75 * rms(angle_errors(start.poses.rotation, truth.poses.rotation))


def test_frames_without_a_face_keep_their_motion(filmed, stand_in, monkeypatch):
    model, truth, frames = filmed
    monkeypatch.setattr(mesh_photometry, "_TEXTURE_STEPS", 3)
    monkeypatch.setattr(mesh_photometry, "_MOTION_STEPS", 2)
    lost = replace(truth, trust=(np.arange(COUNT) != 4).astype(np.float64))
    found = mesh_photometry.refine(lost, model, frames, (WIDTH, HEIGHT), device="cpu")
    np.testing.assert_array_equal(found.expression[4], truth.expression[4])
    np.testing.assert_allclose(found.poses.rotation[4], truth.poses.rotation[4])
    assert np.abs(found.expression[5] - truth.expression[5]).max() > 0


def test_the_harmonics_are_orthonormal_over_the_sphere():
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(200_000, 3, generator=generator), dim=-1)
    values = mesh_photometry._harmonics(directions)
    moments = 4 * torch.pi * values.T @ values / len(values)
    torch.testing.assert_close(moments, torch.eye(9), atol=0.03, rtol=0)


def test_pytorch3d_is_used_only_beside_a_gpu(stand_in, monkeypatch):
    monkeypatch.setattr(mesh_photometry.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not mesh_photometry.available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert mesh_photometry.available()
    monkeypatch.setattr(mesh_photometry.importlib.util, "find_spec", lambda name: None)
    assert not mesh_photometry.available()


def test_the_texture_is_learnt_from_the_training_part(filmed, stand_in, monkeypatch):
    model, truth, frames = filmed
    monkeypatch.setattr(mesh_photometry, "_TEXTURE_STEPS", 3)
    monkeypatch.setattr(mesh_photometry, "_MOTION_STEPS", 2)
    others = [*frames[: COUNT - 2], frames[0], frames[0]]
    runs = [
        mesh_photometry.refine(truth, model, paths, (WIDTH, HEIGHT), device="cpu", fit_frames=fit_frames)
        for paths, fit_frames in ((frames, COUNT - 2), (others, COUNT - 2), (others, None))
    ]
    fitted, again, whole = (run.expression[: COUNT - 2] for run in runs)
    np.testing.assert_allclose(again, fitted, atol=1e-6)  # torch's threads add up in any order
    assert np.abs(whole - fitted).max() > 1e-5
