"""Films with a torso of the model's own."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import metrics
import predict
import render
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from evaluation.scores import read_scores
from media.video import probe
from scene.reference_clip import ReferenceClip
from synthesis.background import Background
from synthesis.poses import Posing, posed
from synthesis.rendering import synthesise
from synthesis.script import Script, script_of_frames
from synthesis.torso import LearntTorso, torso_of
from tests.tiny_head import make_dataset, make_head, make_moving_model, speech_like, write_wav
from training.dataset import WholePerson
from training.torso import measure_body, new_torso


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ReferenceClip:
    return ReferenceClip(make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=44).root)


@pytest.fixture(scope="module")
def torso(clip: ReferenceClip) -> LearntTorso:
    dataset = WholePerson(clip.folder.root)
    body = measure_body(dataset)
    return LearntTorso(new_torso(dataset, body, 400).eval(), body)


def _frames(clip: ReferenceClip, script: Script) -> np.ndarray:
    return np.stack(list(synthesise(make_head(), clip, script, batch=2)))


def test_the_learnt_torso_stands_where_the_clips_does(clip, torso):
    script = script_of_frames(clip, range(3, 8), clip.audio)
    theirs, ours = _frames(clip, script), _frames(clip, torso.shown_in(script, clip))
    below = np.abs(theirs[:, 52:].astype(int) - ours[:, 52:]).mean()
    room = np.abs(theirs[:, 52:].astype(int) - 128).mean()
    assert below < 0.3 * room
    assert np.abs(theirs[:, :8].astype(int) - ours[:, :8]).max() <= 1  # and the wall where there is nobody


def test_no_picture_of_a_torso_is_read(tmp_path, torso):
    folder = make_dataset(tmp_path / "set", num_frames=44)
    clip = ReferenceClip(folder.root)
    for path in folder.torso.iterdir():
        path.unlink()
    script = torso.shown_in(script_of_frames(clip, range(3, 8), clip.audio), clip)
    assert _frames(clip, script).shape == (5, clip.height, clip.width, 3)


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#00ff00"])
def test_a_transparent_person_looks_the_same_over_every_colour(clip, torso, colour):
    script = torso.shown_in(script_of_frames(clip, range(3, 8), clip.audio), clip)
    cut_out = _frames(clip, replace(script, background=Background.of("transparent"))).astype(float)
    direct = _frames(clip, replace(script, background=Background.of(colour))).astype(float)
    opacity = cut_out[..., 3:] / 255
    behind = np.array(Background.of(colour).colour)
    assert np.abs(cut_out[..., :3] * opacity + behind * (1 - opacity) - direct).max() <= 2
    assert opacity[:, 60].mean() > 0.5 and opacity[:, 2].max() < 0.05


def test_the_body_stays_while_the_head_turns(clip, torso, tmp_path):
    (tmp_path / "turn.csv").write_text("frame,yaw\n0,0\n9,25\n")
    script = script_of_frames(clip, range(10), clip.audio)
    turned = torso.shown_in(posed(script, clip, Posing.of(str(tmp_path / "turn.csv"))), clip)
    assert turned.torso is not None
    follows = torso.motion.follow(turned.poses.double().numpy())
    assert np.allclose(np.diff(turned.torso.body.numpy(), axis=0), np.diff(follows, axis=0), atol=1e-6)
    frames = _frames(clip, turned)
    assert np.abs(frames[0, 60:].astype(int) - frames[-1, 60:]).mean() < 12


def test_another_clips_torso_is_refused(tmp_path, torso):
    other = ReferenceClip(make_dataset(tmp_path / "set", num_frames=30).root)
    with pytest.raises(EGSTalkerError, match=r"learnt from 44 frames, not those of .*; give --torso frames"):
        torso.shown_in(script_of_frames(other, range(3), other.audio), other)


@pytest.fixture(scope="module")
def model(clip, torso, tmp_path_factory) -> Path:
    folder = ModelFolder(make_moving_model(tmp_path_factory.mktemp("models") / "m", clip.folder))
    from scene.torso_files import save_torso

    save_torso(folder, torso.torso, 500)
    torso.motion.save(folder)
    return folder.root


def test_a_model_without_a_torso_says_what_it_lacks(clip, model, tmp_path, caplog):
    old = make_moving_model(tmp_path / "m", clip.folder)
    with caplog.at_level(logging.WARNING):
        assert torso_of(old, "learnt", "cpu") is None
    assert len(caplog.messages) == 1 and "--only torso" in caplog.text
    caplog.clear()
    assert torso_of(old, "frames", "cpu") is None and torso_of(model, "frames", "cpu") is None and not caplog.messages
    assert torso_of(model, "learnt", "cpu") is not None


def _run(door, *words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["door", *map(str, words)])
        return door()


def test_films_show_the_torso_that_is_asked_for(clip, model, tmp_path):
    sound = write_wav(tmp_path / "a.wav", speech_like(0.6))
    usual = ("--audio_path", sound, "--reference_path", clip.folder.root, "--model_path", model)
    pictures = {}
    for kind in ("learnt", "frames"):
        assert _run(predict.main, *usual, "--torso", kind, "--format", "png", "--output_dir", tmp_path / kind) == 0
        pictures[kind] = sorted((tmp_path / kind / "a_frames").glob("*.png"))
        assert len(pictures[kind]) == 15
    first = [pictures[kind][0].read_bytes() for kind in ("learnt", "frames")]
    assert first[0] != first[1]


def test_render_and_metrics_show_it_too(clip, model):
    assert _run(render.main, "-s", clip.folder.root, "--model_path", model, "--skip_train") == 0
    assert probe(ModelFolder(model).videos("test", 500) / "renders.mp4").num_frames == len(clip.val)
    assert _run(metrics.main, "-s", clip.folder.root, "--model_path", model, "--splits", "val", "val_torso") == 0
    sets = read_scores(ModelFolder(model).scores)
    assert list(sets) == ["val", "val_torso"]
    own = sets["val_torso"]
    assert own.torso_psnr is not None and own.torso_psnr > 15
    assert sets["val"].torso_psnr is None and own.composite_psnr < sets["val"].composite_psnr


def test_a_torso_that_is_not_there_cannot_be_measured(clip, tmp_path, capsys):
    old = make_moving_model(tmp_path / "m", clip.folder)
    assert _run(metrics.main, "-s", clip.folder.root, "--model_path", old, "--splits", "val_torso") == 1
    assert "there is no torso to measure" in capsys.readouterr().err
