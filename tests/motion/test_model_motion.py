"""What a model folder knows of its person's motion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from motion import model_motion
from motion.blinks import blink_rate
from motion.face_measures import CLOSED_SHARE, FaceMeasures
from motion.model_motion import ModelMotion, learn_from_clip, measure_clip
from motion.sound_variants import ROOMS, SPEEDS
from tests.motion.faces import made_up_face
from tests.tiny_head import make_dataset, quick_speech_models, write_wav


@pytest.fixture
def motion() -> ModelMotion:
    face, _ = made_up_face()
    return ModelMotion.of_clip(face, np.arange(300), 364, lower=2, upper=1)


def test_all_frames_are_measured_by_a_code_of_some(motion):
    assert motion.measured.shape == (400, 4) and motion.measured.dtype == torch.float32
    assert motion.measured[:300].mean(0).abs().max() < 1e-5 and motion.speech is None


def test_lips_are_closed_below_a_tenth_of_the_widest_gap_of_the_training_part(motion):
    face, _ = made_up_face()
    below = CLOSED_SHARE * np.percentile(face.gap[:364], 95)
    assert motion.code.gap(np.full((1, 4), motion.closed_below()))[0] == pytest.approx(below, rel=1e-4)


def test_a_code_is_saved_and_loaded_bit_for_bit(motion, tmp_path):
    folder = ModelFolder(tmp_path / "m")
    motion.save_code(folder)
    again = ModelMotion.load(folder, needs_speech=False)
    assert torch.equal(again.measured, motion.measured) and (again.train, again.speech) == (364, None)
    for name, value in motion.code.arrays().items():
        assert np.array_equal(again.code.arrays()[name], value)
    with pytest.raises(EGSTalkerError, match="--only speech"):
        ModelMotion.load(folder)


@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "few", "nan", "train", "unnamed"])
def test_a_damaged_code_is_one_line(motion, tmp_path, damage):
    folder = ModelFolder(tmp_path / "m")
    motion.save_code(folder)
    path = folder.expression_code
    arrays = load_file(path)
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        if damage == "few":
            arrays["measured"] = arrays["measured"][:, :3].copy()
        elif damage == "nan":
            arrays["measured"][7] = np.nan
        elif damage == "train":
            arrays["train"] = np.array(401)
        else:
            del arrays["measured"]
        save_file(arrays, path)
    with pytest.raises(EGSTalkerError, match=r"train again into another --model_path") as refused:
        ModelMotion.load(folder, needs_speech=False)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


def clip_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **record) -> list:
    """What a tiny dataset's motion is learnt from: recordings, settings and activity."""
    folder = make_dataset(tmp_path / "set", num_frames=44)
    folder.update_record(**record)
    face = measure_clip(folder, torch.zeros(44))
    motion = ModelMotion.of_clip(face, np.arange(40), 40, lower=2, upper=1)
    told: list = []

    def learn(recordings, settings, *, activity, **_):
        told.extend([motion, recordings, settings(4, 32), activity])
        raise InterruptedError

    monkeypatch.setattr(model_motion, "learn_speech", learn)
    usable = np.ones(44, dtype=bool)
    usable[10:14] = False
    with pytest.raises(InterruptedError):
        learn_from_clip(motion, folder, usable, seed=0)
    return told


def test_the_training_part_is_heard_as_it_is_and_in_other_takes(tmp_path, monkeypatch):
    motion, recordings, settings, activity = clip_of(tmp_path, monkeypatch)
    assert len(recordings) == 1 + len(ROOMS) + len(SPEEDS) and len(activity) == 40
    assert (settings.extractor, settings.feature_shape, settings.codes, settings.phones_from) == (
        "log_mel",
        (162,),
        4,
        -1,
    )
    clean, noisy, slow, fast = recordings[0], recordings[1], recordings[-2], recordings[-1]
    assert np.array_equal(clean.codes, motion.measured[:40].double().numpy()) and (~clean.usable).sum() == 4
    assert np.array_equal(noisy.codes, clean.codes) and not np.allclose(noisy.features, clean.features, atol=0.1)
    assert len(slow.codes) == pytest.approx(40 / SPEEDS[0], abs=1.1) and len(fast.codes) < 40 < len(slow.codes)
    for take, speed in ((slow, SPEEDS[0]), (fast, SPEEDS[1])):
        moment = round(20 / speed)
        at = moment * speed
        between = clean.codes[int(at)] + (at - int(at)) * (clean.codes[int(at) + 1] - clean.codes[int(at)])
        assert take.codes[moment] == pytest.approx(between) and take.place[moment] == pytest.approx(at / 40)
        assert not take.usable[round(12 / speed)] and take.usable[round(30 / speed)]


def test_features_of_another_program_are_taken_as_they_are(tmp_path, monkeypatch):
    _, recordings, settings, _ = clip_of(tmp_path, monkeypatch, extractor="theirs")
    assert len(recordings) == 1 and (settings.extractor, settings.phones_from) == ("theirs", -1)


def test_a_dataset_without_sound_is_learnt_from_too(tmp_path):
    folder = make_dataset(tmp_path / "set")
    folder.audio.unlink()
    motion = ModelMotion.of_clip(measure_clip(folder, torch.zeros(22)), np.arange(20), 20, lower=2, upper=1)
    with quick_speech_models():
        speech, expected = learn_from_clip(motion, folder, np.ones(22, dtype=bool), seed=0)
    assert len(expected.codes) == 20 and torch.equal(speech.pause, speech.rest)


def test_a_motion_with_its_speech_is_whole(tmp_path, motion):
    folder = make_dataset(tmp_path / "set")
    tiny = ModelMotion.of_clip(measure_clip(folder, torch.zeros(22)), np.arange(20), 20, lower=2, upper=1)
    model = ModelFolder(tmp_path / "m")
    tiny.save_code(model)
    write_wav(folder.audio, np.zeros(22 * 640))  # a clip in which nothing is said
    with quick_speech_models():
        speech, _ = learn_from_clip(tiny, folder, np.ones(22, dtype=bool), seed=0)
    speech.save(model.speech_model)
    again = ModelMotion.load(model)
    assert again.speech is not None and again.speech.settings == replace(speech.settings)


def _motion() -> ModelMotion:
    rng = np.random.default_rng(0)
    blink = np.zeros(300)
    for onset in range(30, 300, 45):
        blink[onset : onset + 4] = 0.5, 1, 0.8, 0.3
    blink[275:] = np.arange(25) % 5 / 5  # of the held-out part: nothing is learnt from it
    face = FaceMeasures(rng.normal(0, 0.1, (300, 6, 3)), rng.random(300), blink)
    return ModelMotion.of_clip(face, np.arange(270), 270, lower=2, upper=1)


def test_a_folder_keeps_the_persons_blinks_and_idle_motion(tmp_path: Path) -> None:
    motion = _motion()
    motion.save_code(ModelFolder(tmp_path))
    again = ModelMotion.load(ModelFolder(tmp_path), needs_speech=False)
    assert again.blinks is not None
    assert motion.blinks is not None
    own = again.blinks.generate(9000, 2)
    np.testing.assert_array_equal(own, motion.blinks.generate(9000, 2))
    assert blink_rate(own) == pytest.approx(60 * 25 / 45, rel=0.2)
    np.testing.assert_array_equal(again.measured, motion.measured)
    assert again.idle is not None
    assert motion.idle is not None
    np.testing.assert_array_equal(again.idle.generate(90, 2), motion.idle.generate(90, 2))


def test_a_folder_of_an_older_version_has_none(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    _motion().save_code(folder)
    arrays = {name: value for name, value in load_file(folder.expression_code).items() if "." not in name}
    save_file(arrays, folder.expression_code)
    motion = ModelMotion.load(folder, needs_speech=False)
    assert motion.blinks is None
    assert motion.idle is None


@pytest.mark.parametrize("damage", ["nan", "missing", "shape", "codes"])
def test_damaged_motion_is_named(tmp_path: Path, damage: str) -> None:
    folder = ModelFolder(tmp_path)
    _motion().save_code(folder)
    arrays = load_file(folder.expression_code)
    if damage == "nan":
        arrays["blinks.rest"] = np.array(np.nan)
    elif damage == "shape":
        arrays["blinks.rate"] = np.ones(3)
    elif damage == "codes":
        for name in ("idle.spectrum", "idle.middle", "idle.spread"):
            arrays[name] = arrays[name][:2].copy()
    else:
        del arrays["blinks.profiles"]
    save_file(arrays, folder.expression_code)
    with pytest.raises(EGSTalkerError, match=r"code\.safetensors is damaged"):
        ModelMotion.load(folder, needs_speech=False)
