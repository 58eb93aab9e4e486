"""From features to codes, whatever the networks have learnt."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from arguments.errors import EGSTalkerError
from data_utils.audio_features.phones import PHONE_NAMES, PHONES
from motion import speech_model
from motion.speech_model import CALM, ONSET, RELEASE, SpeechModel, SpeechModelSettings, along, eased
from motion.speech_network import LOOK_AHEAD, LOOK_BACK

SETTINGS = SpeechModelSettings("made_up", (6,), 3, 2, 8, -1)
OF_PHONES = SpeechModelSettings("phones", (2 * PHONES,), 3, 2, 8, 0)


def model_of(settings: SpeechModelSettings = SETTINGS) -> SpeechModel:
    """A model whose every value matters."""
    torch.manual_seed(0)
    model = SpeechModel(settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        model.mean.normal_()
        model.deviation.uniform_(0.5, 2.0)
        model.gain.copy_(torch.tensor([1.0, 1.5, 0.7]))
        model.curve[1] = model.curve[0] * 1.5 + 0.1
        model.pause.copy_(torch.tensor([-1.0, 0.5, 0.2]))
        model.rest.copy_(torch.tensor([-2.0, -0.5, 0.0]))
    return model


def recording(frames: int = 60, settings: SpeechModelSettings = SETTINGS) -> Tensor:
    return torch.randn(frames, *settings.feature_shape, generator=torch.Generator().manual_seed(1))


def phones(*names: str) -> Tensor:
    """Likelihoods of one sure phone a frame."""
    values = torch.zeros(len(names), 2 * PHONES)
    for row, name in enumerate(names):
        values[row, [PHONE_NAMES.index(name), PHONES + PHONE_NAMES.index(name)]] = 8.0
    return values


def test_codes_are_one_row_a_frame_whatever_the_shape_of_features():
    windows = SpeechModelSettings(None, (4, 5), 3, 2, 8, -1)
    assert model_of()(recording(17)).shape == (17, 3)
    assert model_of(windows)(recording(17, windows)).shape == (17, 3)
    assert model_of()(recording(1)).shape == (1, 3)


def test_the_same_speech_gives_the_same_codes_whatever_surrounds_it():
    model, speech = model_of(), recording(40)
    before, after = 3 * torch.randn(23, 6), 3 * torch.randn(31, 6)
    alone, within = model(speech), model(torch.cat([before, speech, after]))[23:63]
    inner = slice(LOOK_BACK, -LOOK_AHEAD)
    assert torch.allclose(alone[inner], within[inner], atol=1e-6)
    assert not torch.allclose(alone[-1], within[-1], atol=1e-3)


def test_half_a_recording_gives_what_the_whole_gives_but_beside_the_cut():
    model, speech = model_of(), recording(60)
    whole = model(speech)
    assert torch.allclose(model(speech[:30])[:-LOOK_AHEAD], whole[: 30 - LOOK_AHEAD], atol=1e-6)
    assert torch.allclose(model(speech[30:])[LOOK_BACK:], whole[30 + LOOK_BACK :], atol=1e-6)


@pytest.mark.parametrize("activity", [False, True])
def test_nothing_is_known_of_what_is_said_more_than_three_frames_later(activity):
    model, speech = model_of(), recording(60)
    voice = (torch.rand(60, generator=torch.Generator().manual_seed(2)) > 0.5).float() if activity else None
    other, otherwise = speech.clone(), None if voice is None else voice.clone()
    other[40:] = 2.0
    if otherwise is not None:
        otherwise[40:] = 1 - otherwise[40:]
    changed = (model(speech, voice) - model(other, otherwise)).abs().amax(1) > 1e-6
    assert changed.nonzero()[0] == 40 - LOOK_AHEAD and ONSET <= LOOK_AHEAD


def test_long_recordings_are_heard_in_pieces_without_seams(monkeypatch):
    model, speech = model_of(), recording(50)
    whole = model(speech)
    monkeypatch.setattr(speech_model, "CHUNK", 7)
    assert torch.allclose(model(speech), whole, atol=1e-6)


def test_features_that_no_speech_has_are_brought_back():
    model, speech = model_of(), recording(20)
    speech[10] = 1e6
    loud = model(speech)
    speech[10] = model.mean + speech_model.CLAMP * model.deviation
    assert torch.equal(loud, model(speech)) and loud.isfinite().all()


def test_codes_get_the_persons_range():
    model, speech = model_of(), recording(40)
    raw, codes = model.raw(speech), model(speech)
    assert torch.allclose(codes[:, 1:], raw[:, 1:] * torch.tensor([1.5, 0.7]))
    inside = raw[:, 0].abs() < 2.9
    assert inside.sum() > 20
    assert torch.allclose(codes[inside, 0], 1.5 * raw[inside, 0] + 0.1, atol=1e-5)


def test_a_curve_is_straight_between_its_points_and_level_beyond():
    curve = torch.tensor([[0.0, 1.0, 3.0], [0.0, 10.0, 11.0]])
    values = torch.tensor([-5.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0])
    assert along(curve, values).tolist() == pytest.approx([0, 0, 5, 10, 10.5, 11, 11])
    level = torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])  # of networks that always say the same
    assert along(level, values).isfinite().all()


def test_activity_rises_before_a_sound_and_falls_after_it():
    activity = torch.zeros(30)
    activity[10] = 1.0
    shown = eased(activity, 3, 5)
    assert shown[10] == 1 and (shown.nonzero()[:, 0] == torch.arange(7, 16)).all()
    assert (shown[6:11].diff() > 0).all() and (shown[10:17].diff() < 0).all()
    assert eased(torch.ones(9), 3, 5).eq(1).all() and eased(torch.zeros(9), 3, 5).eq(0).all()


def test_silence_comes_to_the_pause_and_then_to_rest():
    model, frames = model_of(), 40 + CALM + 30
    activity = torch.zeros(frames)
    activity[:20] = 1.0
    speech, other = recording(frames), recording(frames)
    other[20 + LOOK_AHEAD :] += 1.0
    codes, otherwise = model(speech, activity), model(other, activity)
    assert torch.allclose(codes[:20], model(speech)[:20])  # while something is said nothing is changed
    silent = 20 + RELEASE
    assert torch.allclose(codes[silent:], otherwise[silent:], atol=1e-6)  # from here on the person's own habit alone
    way = (codes[silent:] - model.pause) @ (model.rest - model.pause) / (model.rest - model.pause).square().sum()
    assert torch.allclose(codes[silent:], torch.lerp(model.pause, model.rest, way[:, None]), atol=1e-5)
    assert way[0] < 0.9 and (way.diff() >= -1e-6).all()
    assert torch.allclose(codes[20 + CALM :], model.rest.expand(frames - 20 - CALM, 3), atol=1e-6)


def test_a_silent_recording_is_a_face_at_rest():
    model = model_of()
    codes = model(recording(30), torch.zeros(30))
    assert torch.allclose(codes, model.rest.expand(30, 3), atol=1e-6)


def test_lips_close_at_phones_that_need_it():
    model = model_of(OF_PHONES)
    said = ["AA"] * 10 + ["P"] + ["AA"] * 10 + ["M", "M"] + ["T"] * 10
    features = phones(*said)
    with torch.no_grad():
        model.shut.fill_(-20.0)
        model.closure.fill_(0.0)
    plain = model(features)
    model.closure.fill_(1.0)
    closed = model(features)
    needed = torch.tensor([name in "PBM" for name in said])
    assert torch.allclose(closed[needed, 0], model.shut, atol=0.1)
    assert torch.allclose(closed[~needed, 0], plain[~needed, 0], atol=0.2)
    assert torch.equal(closed[:, 1:], plain[:, 1:])
    model.closure.fill_(0.5)
    assert torch.allclose(model(features)[needed, 0], (plain[needed, 0] - 20) / 2, atol=0.1)


def test_lips_that_are_closed_already_are_not_opened():
    model = model_of(OF_PHONES)
    features = phones(*["P"] * 12)
    plain = model(features)
    model.closure.fill_(1.0)
    model.shut.copy_(plain[:, 0].max() + 1)
    assert torch.equal(model(features), plain)


def test_a_model_is_saved_and_loaded_bit_for_bit(tmp_path):
    model = model_of(OF_PHONES)
    model.save(tmp_path / "speech.safetensors")
    again = SpeechModel.load(tmp_path / "speech.safetensors")
    assert again.settings == model.settings and not again.training
    values = again.state_dict()
    assert all(torch.equal(values[name], value) for name, value in model.state_dict().items())
    features, activity = phones("AA", "P", "SIL", "SIL"), torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert torch.equal(again(features, activity), model(features, activity))


@pytest.mark.parametrize("damage", ["cut", "empty", "junk", "nan", "header", "settings", "other", "gone", "folder"])
def test_a_damaged_file_is_one_line(tmp_path, damage):
    path = tmp_path / "speech.safetensors"
    model_of().save(path)
    with safe_open(path, framework="pt") as file:
        values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        settings = json.loads(file.metadata()["settings"])
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "junk":
        path.write_bytes(b"junk" * 100)
    elif damage == "nan":
        values["pause"][1] = torch.nan
        save_file(values, path, metadata={"settings": json.dumps(settings)})
    elif damage == "header":
        save_file(values, path)
    elif damage == "settings":
        save_file(values, path, metadata={"settings": json.dumps({**settings, "width": "wide"})})
    elif damage == "other":
        save_file(values, path, metadata={"settings": json.dumps({**settings, "codes": 5})})
    elif damage == "gone":
        path.unlink()
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(EGSTalkerError, match=r"run \./train\.sh with --only speech") as refused:
        SpeechModel.load(path)
    assert "\n" not in str(refused.value)
