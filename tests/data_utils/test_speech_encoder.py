"""wav2vec 2.0 and HuBERT on small random models of the same architecture."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model

from arguments.errors import EGSTalkerError
from data_utils import audio_features
from data_utils.audio_features import extract
from data_utils.audio_features.pretrained import load_speech_model
from data_utils.audio_features.self_supervised import wav2vec2
from data_utils.audio_features.speech_encoder import Pieces, Waveform, _group_norm_scale, frame_features

SMALL = {"num_hidden_layers": 2, "intermediate_size": 32, "conv_dim": [8] * 7, "num_conv_pos_embedding_groups": 16}
TINY = {**SMALL, "hidden_size": 32, "num_attention_heads": 4}


def base(**options):
    """As wav2vec2-base-960h: group normalisation over time, layers normalised after."""
    return Wav2Vec2Config(feat_extract_norm="group", do_stable_layer_norm=False, conv_bias=False, **options)


def large(**options):
    """As hubert-large-ls960-ft: layer normalisation, layers normalised before."""
    return HubertConfig(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, **options)


def random_model(kind, seed=0):
    """Random weights, larger than at initialisation: attention is far from uniform and from one-hot."""
    torch.manual_seed(seed)
    model = (Wav2Vec2Model(base(**TINY)) if kind == "base" else HubertModel(large(**TINY))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(4 if "_proj" in name else 1.5)
            else:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def speech(seconds, seed=0):
    """Bursts of noise of all loudnesses over a drone, with an offset."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 0.3, int(np.ceil(seconds * 8))), 2000)[: int(seconds * 16000)]
    return (loudness * rng.standard_normal(len(loudness)) + 0.03).astype(np.float32)


def at_once(model, samples, num_frames):
    """The whole recording through transformers' own forward pass; 40 zeros centre the tokens on their 20 ms."""
    whole = np.zeros(num_frames * 640)
    whole[: len(samples[: len(whole)])] = samples[: len(whole)]
    whole = (whole - whole.mean()) / np.sqrt(whole.var() + 1e-7)
    with torch.no_grad():
        tokens = model(torch.from_numpy(np.pad(whole, 40)).float()[None]).last_hidden_state[0]
    return tokens.reshape(num_frames, 2, -1).mean(1).numpy()


def test_group_normalisation_takes_its_statistics_from_the_training_part():
    sound = speech(4.0)
    other = sound.copy()
    other[48000:] = np.cumsum(other[48000:]) * 0.1
    first = random_model("base").feature_extractor.conv_layers[0]

    def scale(samples, fit_frames):
        wave = Waveform(samples, 100, normalise=True, fit_frames=fit_frames)
        return torch.cat(_group_norm_scale(first, wave, Pieces(tokens=37), torch.device("cpu")))

    with torch.no_grad():
        torch.testing.assert_close(scale(other, 75), scale(sound, 75), rtol=0, atol=0)
        assert (scale(other, None) - scale(sound, None)).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["base", "large"])
@pytest.mark.parametrize("tokens", [37, 256, 10_000])
def test_pieces_give_what_the_whole_recording_gives(kind, tokens):
    model, samples = random_model(kind), speech(20.0)
    expected = at_once(model, samples, 500)
    rows = frame_features(model, Waveform(samples, 500, normalise=True), Pieces(tokens=tokens))
    assert rows.shape == (500, 32) and rows.dtype == np.float32
    assert expected.std() > 0.1
    assert np.abs(rows - expected).max() < 1e-3


@pytest.mark.parametrize("kind", ["base", "large"])
def test_pieces_on_their_own_would_not(kind):
    """What the test above guards against: cutting the recording changes far more than a thousandth."""
    model, samples = random_model(kind), speech(20.0)
    expected = at_once(model, samples, 500)
    alone = np.concatenate([at_once(model, samples[start : start + 160_000], 250) for start in (0, 160_000)])
    assert np.abs(alone - expected).max() > 0.03


def test_beyond_the_window_distant_sound_is_not_heard():
    model, samples = random_model("large"), speech(20.0)
    other = samples.copy()
    other[-16_000:] = np.roll(other[-16_000:], 5000)  # the same mean and variance
    rows, changed = (
        frame_features(model, Waveform(s, 500, normalise=True), Pieces(tokens=50, context=200))
        for s in (samples, other)
    )
    # two layers of 125 tokens at most, 64 of positions and one of the convolutions: 6.4 s before the change
    np.testing.assert_array_equal(rows[: 475 - 160], changed[: 475 - 160])
    assert np.abs(rows[475:] - changed[475:]).max() > 0.1


@pytest.mark.parametrize("frame", [3, 20, 46])
def test_a_burst_is_in_the_row_of_its_frame(frame):
    model = random_model("large")
    for layer in model.encoder.layers:  # without attention and positions a token knows of its own 25 ms only
        layer.attention.out_proj.weight.data.zero_()
    model.encoder.pos_conv_embed.conv.parametrizations.weight.original0.data.zero_()
    samples = np.zeros(50 * 640, np.float32)
    silence = frame_features(model, Waveform(samples, 50, normalise=False))
    samples[frame * 640 + 100 : frame * 640 + 540] = np.sin(np.arange(440))
    change = np.abs(frame_features(model, Waveform(samples, 50, normalise=False)) - silence).max(1)
    assert np.flatnonzero(change > 1e-4).tolist() == [frame]


def test_short_and_silent_sound_gives_finite_rows():
    model = random_model("base")
    for samples, frames in ((np.zeros(16000, np.float32), 25), (np.zeros(0, np.float32), 1), (speech(0.1), 30)):
        rows = frame_features(model, Waveform(samples, frames, normalise=True))
        assert rows.shape == (frames, 32) and np.isfinite(rows).all()


def test_the_waveform_is_that_of_the_recordings_own_statistics():
    samples = speech(3.0) + 0.2
    wave = Waveform(samples, 75, normalise=True)
    whole = wave[slice(0, 75 * 640 + 80)].numpy()
    assert whole[:40].tolist() == whole[-40:].tolist() == [0] * 40
    assert abs(whole[40:-40].mean()) < 1e-4 and abs(whole[40:-40].std() - 1) < 1e-3
    np.testing.assert_array_equal(wave[slice(1000, 2000)], whole[1000:2000])


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder of models as ./download_models.sh lays it out, each as wide as the real one and shallow."""
    monkeypatch.setattr(audio_features, "MODELS", tmp_path)
    torch.manual_seed(0)
    options = dict(SMALL, num_hidden_layers=1, num_conv_pos_embeddings=8)
    made = {
        "wav2vec2-base-960h": Wav2Vec2ForCTC(base(hidden_size=768, num_attention_heads=12, **options)),
        "hubert-large-ls960-ft": HubertModel(large(hidden_size=1024, num_attention_heads=16, **options)),
    }
    for name, model in made.items():
        model.eval().save_pretrained(tmp_path / name, safe_serialization=name.startswith("wav"))
        (tmp_path / name / "preprocessor_config.json").write_text('{"do_normalize": true}')
    return tmp_path


@pytest.mark.parametrize(
    ("name", "folder", "model_class", "size"),
    [
        ("wav2vec2", "wav2vec2-base-960h", Wav2Vec2Model, 768),
        ("hubert", "hubert-large-ls960-ft", HubertModel, 1024),
    ],
)
def test_features_are_those_of_the_model_in_the_folder(models, name, folder, model_class, size, caplog):
    samples = speech(2.0)
    rows = extract(name, samples, 50)
    expected = at_once(model_class.from_pretrained(models / folder, local_files_only=True), samples, 50)
    assert rows.shape == (50, size)
    assert np.abs(rows - expected).max() < 1e-3
    assert not caplog.records


def test_weights_of_an_older_format_are_read_as_tensors_only(models, tmp_path):
    folder = models / "wav2vec2-base-960h"
    expected = wav2vec2(speech(1.0), 25, folder)
    model = Wav2Vec2ForCTC.from_pretrained(folder)
    old = {  # as the file on the hub names them
        key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for key, value in model.state_dict().items()
    }
    (folder / "model.safetensors").unlink()
    torch.save(old, folder / "pytorch_model.bin")
    np.testing.assert_allclose(wav2vec2(speech(1.0), 25, folder), expected, atol=1e-5)
    trap = tmp_path / "trap"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Trap(str(trap))))
    with pytest.raises(EGSTalkerError, match="damaged"):
        wav2vec2(speech(1.0), 25, folder)
    assert not trap.exists()


class _Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


FAULTS = {
    "truncated": lambda folder: cut(folder / "model.safetensors"),
    "noise": lambda folder: (folder / "model.safetensors").write_bytes(np.random.default_rng(0).bytes(5000)),
    "empty": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "no config": lambda folder: (folder / "config.json").unlink(),
    "half a config": lambda folder: cut(folder / "config.json"),
    "another kind": lambda folder: configure(folder, model_type="bert"),
    "another width": lambda folder: configure(folder, hidden_size=512),
    "deeper": lambda folder: configure(folder, num_hidden_layers=2),
    "another shape": lambda folder: configure(folder, intermediate_size=64),
    "huge": lambda folder: configure(folder, num_hidden_layers=10**9),
    "nonsense": lambda folder: configure(folder, num_attention_heads="many"),
    "no number": lambda folder: configure(folder, conv_dim=[8, "x"]),
    "preprocessor": lambda folder: (folder / "preprocessor_config.json").write_text("["),
}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def configure(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_model_is_refused_in_one_line(models, fault):
    folder = models / "wav2vec2-base-960h"
    FAULTS[fault](folder)
    with pytest.raises(EGSTalkerError, match=r"download_models\.sh") as refused:
        extract("wav2vec2", speech(1.0), 25)
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)


def test_weights_that_are_not_finite_are_refused(models):
    folder = models / "wav2vec2-base-960h"
    model = load_speech_model(Wav2Vec2Model, folder, 768)
    model.encoder.layer_norm.weight.data[3] = torch.nan
    model.save_pretrained(folder)
    with pytest.raises(EGSTalkerError, match="not finite"):
        extract("wav2vec2", speech(1.0), 25)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "deepspeech"])
def test_a_missing_model_is_named_with_the_script_that_fetches_it(models, name):
    place = models / audio_features.EXTRACTORS[name].model.split("/")[0]
    shutil.rmtree(place, ignore_errors=True)
    with pytest.raises(EGSTalkerError, match=r"run \./download_models\.sh") as refused:
        extract(name, speech(1.0), 25)
    assert str(refused.value).startswith(name) and str(place) in str(refused.value)
