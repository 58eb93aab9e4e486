"""What drives a face: features, or the codes that a speech model hears in them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from media.video import probe
from motion.face_measures import FaceMeasures
from motion.model_motion import ModelMotion
from motion.speech_model import SpeechModel, SpeechModelSettings
from scene.head import GaussianHead
from scene.head_files import load_head
from scene.reference_clip import ReferenceClip
from synthesis.film import speak
from synthesis.pairing import check_pair
from synthesis.script import script_of_features, script_of_signal, script_of_sound
from synthesis.signal import measured_signal, motion_of, own_signal, signal_of, speaking_signal, speech_of
from synthesis.speech import extractor_of, heard
from synthesis.videos import custom_video, split_videos
from tests.tiny_head import make_dataset, make_head, make_moving_model, speech_like, write_wav


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("moving")
    make_moving_model(root / "m", make_dataset(root / "set"))
    return root


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "moving"))


@pytest.fixture
def clip(root) -> ReferenceClip:
    return ReferenceClip(root / "set")


@pytest.fixture
def head(root) -> GaussianHead:
    return load_head(root / "m")[0]


def test_a_head_that_features_drive_needs_no_motion(tmp_path, clip):
    assert motion_of(make_head(20), tmp_path) is None and speech_of(None) is None
    assert signal_of(None, clip.audio) is clip.audio and own_signal(None, clip) is clip.audio
    with pytest.raises(EGSTalkerError, match="leave out val_measured"):
        measured_signal(None, clip)


def test_codes_of_the_speech_model_drive_the_others(root, clip, head):
    motion = motion_of(head, root / "m")
    codes = signal_of(motion, clip.audio)
    assert codes.shape == (22, 4) and torch.equal(codes, speech_of(motion)(clip.audio))
    assert tuple(head.feature_shape) == (4,)


def test_own_frames_move_as_their_sound_says_and_know_its_silence(root, clip, head):
    motion = motion_of(head, root / "m")
    write_wav(clip.folder.audio, np.concatenate([speech_like(0.2), np.zeros(16_000)]))
    with_pause = own_signal(motion, clip)
    assert with_pause.shape == (22, 4)
    clip.folder.audio.unlink()
    without = own_signal(motion, clip)
    assert torch.equal(without, signal_of(motion, clip.audio))
    assert torch.allclose(with_pause[:4], without[:4])
    assert not torch.allclose(with_pause[8:], without[8:], atol=1e-3)


def test_measured_codes_are_those_of_the_models_own_clip(root, clip, head):
    motion = motion_of(head, root / "m")
    measured = measured_signal(motion, clip)
    assert measured.shape == (22, 4)
    assert measured[:20].mean(0).abs().max() < 1e-5 and measured[:20].std(0, correction=0).allclose(
        torch.ones(4), atol=1e-4
    )
    longer = ReferenceClip(make_dataset(root / "longer", num_frames=33).root)
    with pytest.raises(EGSTalkerError, match="measured 22 frames, not those of"):
        measured_signal(motion, longer)


@pytest.mark.parametrize("name", ["expression_code", "speech_model"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_motion_file_that_is_missing_or_damaged_is_one_line(root, head, name, damage):
    path = getattr(ModelFolder(root / "m"), name)
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(EGSTalkerError, match=f"{path}") as refused:
        motion_of(head, root / "m")
    assert "\n" not in str(refused.value)


def test_head_and_motion_belong_together(root, clip, head):
    motion = motion_of(head, root / "m")
    check_pair(head, clip, motion)
    with pytest.raises(ValueError, match="comes with its motion"):
        check_pair(head, clip, None)
    with pytest.raises(ValueError, match="another without"):
        check_pair(make_head(20), clip, motion)


def test_another_kind_of_features_is_refused_and_what_helps_is_said(root, clip, head):
    motion = motion_of(head, root / "m")
    with pytest.raises(EGSTalkerError, match=r"shape \(162,\).*are \(29,\).*--only speech"):
        script_of_features(clip, torch.zeros(5, 29), None, motion)
    np.save(clip.folder.audio_features, np.zeros((22, 768), np.float32))
    with pytest.raises(EGSTalkerError, match=r"\(768,\).*--only speech"):
        check_pair(head, ReferenceClip(clip.folder.root), motion)


def test_sound_is_heard_by_the_extractor_that_the_speech_model_learnt_with(root, clip, head):
    motion = motion_of(head, root / "m")
    clip.folder.update_record(extractor="phones")
    assert extractor_of(clip, motion) == "log_mel"
    unknown = replace(motion.speech.settings, extractor="from_the_future")
    motion.speech.settings = unknown
    with pytest.raises(EGSTalkerError, match=r"from_the_future.*--only speech"):
        extractor_of(clip, motion)


def test_a_script_of_sound_is_what_the_speech_model_says_of_it(root, clip, head, tmp_path):
    motion = motion_of(head, root / "m")
    sound = write_wav(tmp_path / "a.wav", np.concatenate([speech_like(0.4), np.zeros(8000)]))
    script = script_of_sound(clip, sound, tmp_path, motion=motion)
    speech = heard(sound, "log_mel", tmp_path)
    assert len(script) == len(speech.features) == len(speech.activity) == 23
    assert speech.activity[:8].min() == 1 and speech.activity[14:].max() == 0
    assert torch.equal(script.signal, speaking_signal(motion, speech.features, speech.activity, seed=0))
    other = script_of_signal(clip, script.signal, sound).reference
    assert (other.first == script.reference.first).all() and (other.mix == script.reference.mix).all()
    assert script.voice is not None and len(script.voice.loudness) == len(script.voice.speaks) == 23


def test_a_silent_file_is_spoken_by_a_face_at_rest(root, clip, head, tmp_path):
    motion = motion_of(head, root / "m")
    sound = write_wav(tmp_path / "a.wav", np.zeros(16_000))
    script = script_of_sound(clip, sound, tmp_path, motion=motion)
    assert torch.allclose(script.signal[:, :3], motion.speech.rest[:3].expand(25, 3), atol=1e-6)
    assert speak(head, clip, sound, tmp_path / "a.mp4", motion=motion) == 25
    assert probe(tmp_path / "a.mp4").num_frames == 25


def test_splits_and_given_features_become_videos(root, clip, head, tmp_path):
    motion = motion_of(head, root / "m")
    assert split_videos(head, clip, range(10, 14), tmp_path / "split", motion=motion) == 4
    np.save(tmp_path / "x.npy", clip.audio[:7].numpy())
    target = tmp_path / "c.mp4"
    assert custom_video(head, clip, target, sound=None, features=tmp_path / "x.npy", motion=motion) == 7
    assert probe(target).num_frames == 7 and DatasetFolder(root / "set").audio.is_file()


@pytest.fixture
def motion() -> ModelMotion:
    """Of five codes: the gap, two of the lips, two of the rest of the face, of which one is heard."""
    rng = np.random.default_rng(0)
    face = FaceMeasures(rng.normal(0, 0.1, (300, 6, 3)), rng.random(300), np.zeros(300))
    torch.manual_seed(0)
    speech = SpeechModel(SpeechModelSettings("log_mel", (4,), 5, 2, 8, -1)).eval()
    speech.correlation.copy_(torch.tensor([0.6, 0.05, 0.3, 0.4, 0.05]))
    return replace(ModelMotion.of_clip(face, np.arange(270), 270, lower=2, upper=2), speech=speech)


def test_brows_that_are_not_heard_are_idle_and_lips_say_what_is_heard(motion: ModelMotion) -> None:
    features = torch.randn(400, 4, generator=torch.Generator().manual_seed(1))
    heard = signal_of(motion, features)
    own, again, other = (speaking_signal(motion, features, seed=seed) for seed in (0, 0, 1))
    torch.testing.assert_close(own[:, :4], heard[:, :4], rtol=0, atol=0)
    assert motion.idle is not None
    np.testing.assert_array_equal(own[:, 4].numpy(), motion.idle.generate(400, 0)[:, 4])
    assert not torch.equal(own[:, 4], heard[:, 4])
    torch.testing.assert_close(own, again, rtol=0, atol=0)
    assert not torch.equal(own, other)


def test_brows_move_on_in_silence(motion: ModelMotion) -> None:
    signal = speaking_signal(motion, torch.zeros(400, 4), torch.zeros(400), seed=0)
    assert signal[200:, 4].std() > 0.05
    assert signal[200:, 0].std() == 0


def test_models_of_older_versions_say_what_is_heard(motion: ModelMotion, tmp_path: Path) -> None:
    features = torch.randn(50, 4)
    older = replace(motion, idle=None)
    torch.testing.assert_close(speaking_signal(older, features, seed=0), signal_of(motion, features))
    torch.testing.assert_close(speaking_signal(None, features, seed=0), features)
    path = tmp_path / "speech.safetensors"
    assert motion.speech is not None
    motion.speech.save(path)
    torch.testing.assert_close(SpeechModel.load(path).correlation, motion.speech.correlation)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    values = {name: value for name, value in load_file(path).items() if name != "correlation"}
    save_file(values, path, metadata=metadata)
    assert SpeechModel.load(path).correlation.tolist() == [1] * 5
