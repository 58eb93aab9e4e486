"""What is learnt from speech, and what is said of it beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from motion.speech_model import SpeechModel, SpeechModelSettings
from motion.speech_training import Expectation, Recording, expectation, learn_speech
from tests.motion.faces import made_up_speech, smooth

CLOSED = -1.2  # deviations


@pytest.fixture(scope="module", autouse=True)
def _small_networks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motion.speech_training.WIDTHS", ((0, 12),))
        patch.setattr("motion.speech_training._steps", lambda rows, **_: 200)
        patch.setattr("motion.speech_training.NOISE", 0.3)  # of few features each is all that is heard of something
        yield


@pytest.fixture
def hardly(monkeypatch):
    """Two steps of learning."""
    monkeypatch.setattr("motion.speech_training._steps", lambda rows, **_: 2)


def learn(*recordings: Recording, activity: np.ndarray | None = None, seed: int = 0) -> tuple[SpeechModel, Expectation]:
    features, codes = recordings[0].features.shape[1], recordings[0].codes.shape[1]
    return learn_speech(
        recordings,
        lambda members, width: SpeechModelSettings(None, (features,), codes, members, width, -1),
        importance=np.ones(codes),
        closed_below=CLOSED,
        activity=activity,
        seed=seed,
    )


def heard(model: SpeechModel, recording: Recording) -> np.ndarray:
    return model(torch.from_numpy(recording.features).float()).numpy()


def correlations(said: np.ndarray, true: np.ndarray) -> list[float]:
    return [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(said.T, true.T, strict=True)]


@pytest.fixture(scope="module")
def learnt() -> tuple[SpeechModel, Expectation]:
    return learn(made_up_speech())


def test_a_planted_map_is_learnt_and_foreseen_in_parts_that_were_left_out(learnt):
    model, expected = learnt
    assert expected.correlation[0] > 0.88 and expected.correlation.min() > 0.75
    assert expected.closures_kept > 0.7 and expected.closures_false < 0.3
    assert expected.velocity > 0.7 and expected.codes.shape == (500, 3)
    other = made_up_speech(seed=5)  # the same person says something else
    found = correlations(heard(model, other), other.codes)
    assert found == pytest.approx(list(expected.correlation), abs=0.06)


def test_what_is_said_has_the_persons_range(learnt):
    model, expected = learnt
    said, true = heard(model, made_up_speech(seed=5)), made_up_speech(seed=5).codes
    assert expected.spread == pytest.approx(1.0, abs=0.05)
    assert said.std(0) == pytest.approx(true.std(0), rel=0.2)


def test_noise_teaches_nothing_and_is_not_blown_up():
    speech = made_up_speech()
    model, expected = learn(replace(speech, codes=smooth(np.random.default_rng(3), 500, 3)))
    assert np.abs(expected.correlation).max() < 0.25 and expected.lag == 0
    assert heard(model, speech).std(0).max() < 0.7
    assert model.gain.max() < 2


def test_rows_that_are_not_usable_teach_nothing(hardly):
    speech = made_up_speech()
    usable = speech.usable.copy()
    usable[200:260] = False
    models = []
    for garbage in (0.0, 1e3):
        codes = speech.codes.copy()
        codes[200:260] = garbage
        models.append(learn(replace(speech, codes=codes, usable=usable)))
    (one, first), (other, second) = models
    values = one.state_dict()
    assert all(torch.equal(values[name], value) for name, value in other.state_dict().items())
    assert np.array_equal(first.correlation, second.correlation)


def test_the_same_seed_learns_the_same(hardly):
    once, foreseen = learn(made_up_speech())
    torch.randn(3)  # what else is left to chance does not count
    again, expected = learn(made_up_speech())
    values = again.state_dict()
    assert all(torch.equal(values[name], value) for name, value in once.state_dict().items())
    assert np.array_equal(expected.codes, foreseen.codes)
    other, _ = learn(made_up_speech(), seed=1)
    assert not torch.equal(other.state_dict()["network.first"], values["network.first"])


def test_a_part_that_is_left_out_is_not_heard_of_before():
    """Codes that nothing foretells but the features of their own moment: memory would know them, sense does not."""
    rng = np.random.default_rng(0)
    speech = made_up_speech(features=40)
    by_heart = replace(speech, features=rng.normal(size=(500, 40)), codes=rng.normal(size=(500, 3)))
    model, expected = learn(by_heart)
    assert np.abs(expected.correlation).max() < 0.2
    assert min(correlations(heard(model, by_heart), by_heart.codes)) > np.abs(expected.correlation).max() + 0.2


def test_other_takes_of_the_clip_teach_too():
    speech = made_up_speech(frames=250)
    louder = replace(speech, features=speech.features + 2.0)
    alone, _ = learn(speech)
    both, expected = learn(speech, louder)
    assert expected.codes.shape == (250, 3)
    error = [np.square(heard(model, louder) - louder.codes).mean() for model in (alone, both)]
    assert error[1] < 0.8 * error[0]


def test_the_pause_is_the_persons_own_and_rest_has_closed_lips(hardly):
    speech = made_up_speech()
    activity, codes = np.ones(500, np.float32), speech.codes.copy()
    activity[100:140] = 0.0
    codes[98:142] = (0.3, 1.0, -1.0)
    model, expected = learn(replace(speech, codes=codes), activity=activity)
    assert model.pause.tolist() == pytest.approx([0.3, 1.0, -1.0], abs=1e-5)
    assert float(model.rest[0]) == float(model.shut) < CLOSED
    plain, _ = learn(replace(speech, codes=codes))
    assert torch.equal(plain.pause, plain.rest)
    assert np.abs(expected.codes[120] - model.pause.numpy()).max() < np.abs(model.rest - model.pause).max()


@pytest.mark.parametrize("frames", [2, 5, 22, 40])
def test_a_clip_too_short_to_learn_from_gives_a_model_that_holds_still(hardly, frames, recwarn):
    model, expected = learn(made_up_speech(frames=frames))
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert np.isfinite(expected.correlation).all() and np.isfinite(expected.codes).all()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_a_clip_whose_lips_never_move_is_learnt(hardly):
    model, expected = learn(replace(made_up_speech(frames=120), codes=np.zeros((120, 3))))
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert expected.correlation.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shift", [-4, 6])
def test_the_lag_between_sound_and_picture_is_found(hardly, shift):
    _, expected = learn(made_up_speech(frames=300, shift=shift))
    assert abs(expected.lag - shift) <= 1  # a code follows from two frames of sound


def test_what_is_expected_is_what_it_says():
    true = np.zeros((10, 2))
    true[:, 0] = [-2, -2, -2, -2, 0, 1, 2, 1, 0, 2]
    said = true.astype(np.float32).copy()
    said[0, 0], said[8, 0] = 0.0, -2.0  # one closure is missed, one is false
    usable = np.ones(10, dtype=bool)
    usable[5:7] = False
    found = expectation(said, true, usable, CLOSED, 2)
    assert found.closures_kept == pytest.approx(3 / 4) and found.closures_false == pytest.approx(1 / 4)
    assert found.correlation[0] == pytest.approx(np.corrcoef(said[usable, 0], true[usable, 0])[0, 1])
    assert found.correlation[1] == 0 and found.spread == pytest.approx(said[usable, 0].std() / true[usable, 0].std())
    assert found.lag == 2 and found.closed_lips() == "closed lips kept 75%, false 25%"
