"""DeepSpeech's inputs, windows and graph; the graph itself where TensorFlow is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils import audio_features
from data_utils.audio_features import extract
from data_utils.audio_features.deepspeech import deepspeech, load_graph, network_inputs, windows
from data_utils.audio_features.mfcc import mfcc


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return (0.2 * rng.standard_normal(int(seconds * 16000))).clip(-1, 1).astype(np.float32)


def centre(inputs):
    """A stand-in for the network that hands on what is in the middle of its context."""
    return np.repeat(inputs[:, 9 * 26 : 9 * 26 + 1], 29, axis=1)


def test_cepstra_are_those_of_a_direct_computation():
    """Every step of the definition as a plain sum, for three windows."""
    samples = np.random.default_rng(0).normal(0, 3000, 1000).round()
    emphasised = [samples[0], *(samples[t] - 0.97 * samples[t - 1] for t in range(1, 1000))]
    edges_hz = [700 * (10 ** (mel / 2595) - 1) for mel in np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)]
    edges = [int(513 * hz / 16000) for hz in edges_hz]
    for m in (0, 2, 4):
        frame = (emphasised[m * 160 : m * 160 + 400] + [0] * 400)[:400]
        turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
        power = np.abs(turns @ frame) ** 2 / 512
        bands = []
        for j in range(26):
            low, peak, high = edges[j : j + 3]
            rise = sum(power[i] * (i - low) / (peak - low) for i in range(low, peak))
            bands.append(np.log(rise + sum(power[i] * (high - i) / (high - peak) for i in range(peak, high))))
        expected = [np.log(power.sum())]
        for k in range(1, 26):
            total = sum(bands[j] * np.cos(np.pi * k * (2 * j + 1) / 52) for j in range(26))
            expected.append(total * np.sqrt(2 / 26) * (1 + 11 * np.sin(np.pi * k / 22)))
        np.testing.assert_allclose(mfcc(samples)[m], expected, rtol=1e-9, atol=1e-9)


def test_a_long_recordings_cepstra_have_no_seam():
    samples = noise(70)
    np.testing.assert_allclose(mfcc(samples)[5900:6100], mfcc(samples[5899 * 160 :])[1:201], atol=1e-9)


def test_the_network_gets_two_standardised_steps_a_frame_with_their_neighbours():
    inputs = network_inputs(noise(2.0), 50)
    assert inputs.shape == (100, 494) and inputs.dtype == np.float32
    assert abs(inputs.mean()) < 1e-5 and abs(inputs.std() - 1) < 1e-4
    steps = inputs.reshape(100, 19, 26)
    np.testing.assert_array_equal(steps[10, 9 + 4], steps[14, 9])  # four steps ahead
    np.testing.assert_array_equal(steps[10, 9 - 9], steps[1, 9])
    assert np.ptp(steps[0, :9], axis=0).max() == 0  # nothing before the recording


def test_a_window_has_the_frames_first_step_at_its_ninth_place():
    scores = np.arange(1, 101)[:, None] * np.ones(29)
    rows = windows(scores)
    assert rows.shape == (50, 16, 29)
    assert rows[0, :, 0].tolist() == [0] * 8 + list(range(1, 9))
    assert rows[20, :, 3].tolist() == list(range(33, 49))  # steps 2 i - 8 .. 2 i + 7, counted from 1
    assert rows[49, :, 28].tolist() == [*range(91, 101), *[0] * 6]


@pytest.mark.parametrize("frame", [5, 30])
def test_a_burst_is_in_the_window_of_its_frame(frame):
    samples = 1e-3 * noise(2.0)
    samples[frame * 640 : frame * 640 + 640] += noise(0.04, seed=1)
    rows = deepspeech(samples, 50, Path("output_graph.pb"), lambda path: centre)
    assert rows.shape == (50, 16, 29) and rows.dtype == np.float32
    loudness = rows[:, 8:10].mean((1, 2))
    assert loudness.argmax() == frame
    assert loudness[frame] > loudness[frame - 2] + 0.5 and loudness[frame] > loudness[frame + 2] + 0.5


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(32000, np.float32), noise(0.01), noise(9.0)])
def test_any_length_gives_the_rows_asked_for(samples):
    rows = deepspeech(samples, 50, Path("output_graph.pb"), lambda path: centre)
    assert rows.shape == (50, 16, 29) and np.isfinite(rows).all()


def test_another_networks_output_is_refused(tmp_path):
    with pytest.raises(EGSTalkerError, match="not DeepSpeech's graph"):
        deepspeech(noise(1.0), 25, tmp_path / "output_graph.pb", lambda path: lambda inputs: inputs)


def test_without_tensorflow_one_line_says_what_helps(tmp_path, monkeypatch):
    (tmp_path / "deepspeech").mkdir()
    (tmp_path / "deepspeech" / "output_graph.pb").write_bytes(b"graph")
    monkeypatch.setattr(audio_features, "MODELS", tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setitem(sys.modules, "tensorflow.compat.v1", None)
    with pytest.raises(EGSTalkerError, match=r"TensorFlow.*aud_ds\.npy") as refused:
        extract("deepspeech", noise(1.0), 25)
    assert "\n" not in str(refused.value)


@pytest.fixture
def tensorflow():
    return pytest.importorskip("tensorflow.compat.v1")


def write_graph(tf, path, name="logits", reads=None):
    """A frozen graph with DeepSpeech's names: scores are a fixed linear map of the inputs, lengths are counted in."""
    weights = np.random.default_rng(0).normal(0, 0.1, (494, 29)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        steps = tf.placeholder(tf.float32, [1, None, 494], name="input_node")
        length = tf.placeholder(tf.int32, [1], name="input_lengths")
        scores = tf.matmul(steps[0], weights) + tf.cast(length[0], tf.float32)
        if reads:
            scores += tf.cast(tf.strings.length(tf.read_file(reads)), tf.float32)
        tf.expand_dims(scores, 1, name=name)
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return weights


def test_tensorflow_runs_the_graph_over_the_whole_recording(tensorflow, tmp_path):
    weights = write_graph(tensorflow, tmp_path / "g.pb")
    samples = noise(2.0)
    expected = windows(network_inputs(samples, 50) @ weights + 100)
    np.testing.assert_allclose(deepspeech(samples, 50, tmp_path / "g.pb"), expected, atol=1e-3)


@pytest.mark.parametrize("fault", ["truncated", "noise", "empty", "other names", "reads a file"])
def test_a_graph_that_is_not_deepspeechs_is_refused_in_one_line(tensorflow, tmp_path, fault):
    path = tmp_path / "g.pb"
    secret = tmp_path / "secret"
    secret.write_text("secret")
    write_graph(
        tensorflow, path, "softmax" if fault == "other names" else "logits", str(secret) if "reads" in fault else None
    )
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif fault in ("noise", "empty"):
        path.write_bytes(np.random.default_rng(0).bytes(3000) if fault == "noise" else b"")
    with pytest.raises(EGSTalkerError, match=r"g\.pb.*download_models\.sh") as refused:
        load_graph(path)
    assert "\n" not in str(refused.value)
