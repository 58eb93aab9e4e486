"""A real head, as small as one can be, speaks live as it does in films."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from live.performer import Look, ModelPerformer
from live.session import Session
from motion.frame_path import FramePath
from scene.head_file import opened, pack
from scene.kept_clip import KeptClip, keep_clip
from scene.reference_clip import ReferenceClip
from scene.torso_files import save_torso
from synthesis.background import Background
from synthesis.rendering import synthesise
from synthesis.script import Script
from synthesis.torso import own_torso
from tests.live.stage import events_of, steps
from tests.live.test_session import pcm
from tests.tiny_head import make_dataset, make_moving_model
from training.dataset import WholePerson
from training.torso import measure_body, new_torso


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=44)
    folder = ModelFolder(make_moving_model(tmp_path_factory.mktemp("models") / "m", dataset))
    person = WholePerson(dataset.root)
    body = measure_body(person)
    save_torso(folder, new_torso(person, body, 300).eval(), 500)
    body.save(folder)
    keep_clip(folder, ReferenceClip(dataset.root))
    return folder.root


def test_a_head_speaks_and_is_there_when_it_does_not(model):
    session = Session(ModelPerformer.load(model))
    session.speak(pcm(0.4, 16_000), 16_000)
    session.end()
    moments = steps(session, 24)
    assert [one[0] for one in events_of(moments)] == ["started", "finished"]
    pictures = np.stack([moment.picture for moment in moments]).astype(int)
    assert pictures.shape[1:] == (64, 64, 3)
    assert all(np.abs(a - b).max() > 0 for a, b in itertools.pairwise(pictures))  # it never stands still
    assert np.abs(np.diff(pictures, axis=0)).mean() < 10  # and never jumps


def test_the_same_seed_gives_the_same_session(model):
    performer = ModelPerformer.load(model)
    first, again, other = (steps(Session(performer, seed=seed), 4)[-1].picture for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_picture_is_the_films(model):
    performer, clip, torso = ModelPerformer.load(model), KeptClip(model), own_torso(model, "cpu")
    signal = torch.randn(5, performer.speech.settings.codes, generator=torch.Generator().manual_seed(0))
    still = FramePath.of([performer._rest] * 5)
    poses = clip.camera.viewmats[performer._rest].repeat(5, 1, 1)
    script = Script(signal, torch.arange(5), still, eyes=torch.full((5,), 0.3), poses=poses)
    film = list(synthesise(performer._head, clip, torso.shown_in(script, clip), batch=1))
    body = torso.motion.measured[performer._rest]
    (live,) = performer.pictures([Look(signal[1:4], 0.3, poses[0].double().numpy(), body)])
    assert np.abs(live.astype(int) - film[2]).max() <= 1


def test_a_head_file_will_do_and_so_will_another_room(model, tmp_path):
    pack(model, tmp_path / "a.head")
    with opened(tmp_path / "a.head") as folder:
        performer = ModelPerformer.load(folder, background=Background.of("transparent"))
    (moment,) = steps(Session(performer), 1)
    assert moment.picture.shape == (64, 64, 4) and moment.picture[2, :, 3].max() < 13


def test_what_cannot_be_used_live_is_refused(model, tmp_path):
    performer = ModelPerformer.load(model)
    parts = performer._head, performer._motion, performer._torso, performer._clip
    with pytest.raises(EGSTalkerError, match="own torso"):
        ModelPerformer(parts[0], parts[1], None, parts[3])
    with pytest.raises(EGSTalkerError, match="head that motion drives"):
        ModelPerformer(parts[0], replace(parts[1], speech=None), parts[2], parts[3])
