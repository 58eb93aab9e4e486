"""Speech models of people who were heard for seconds only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.audio_features import EXTRACTORS, extract
from data_utils.audio_features.phones import PHONE_NAMES, PHONES
from motion import speech_training
from motion.expression_code import ExpressionCode
from motion.face_measures import FaceMeasures
from motion.model_motion import ModelMotion, learn_from_clip, measure_clip
from motion.phone_openness import USUAL_GAPS
from motion.speech_model import SpeechModel, SpeechModelSettings
from motion.speech_prior import PriorRecording, read_prior, recording_of
from motion.speech_training import Recording, learn_speech, prior_share, speech_of_phones
from scene.reference_clip import ReferenceClip
from tests.tiny_head import make_dataset, speech_like, write_wav


def _face(num_frames: int, seed: int, size: float = 1.0) -> FaceMeasures:
    """A face of 40 points whose lips part and whose jaw goes sideways."""
    rng = np.random.default_rng(seed)
    shape = np.random.default_rng(7).normal(0, 0.3, (40, 3)) + rng.normal(0, 0.01, (40, 3))
    gap, sideways = rng.random(num_frames), rng.normal(0, 1, num_frames)
    points = np.tile(shape * size, (num_frames, 1, 1))
    points[:, :6, 1] -= 0.2 * size * gap[:, None]
    points[:, :6, 0] += 0.05 * size * sideways[:, None]
    return FaceMeasures(points, 0.1 * size * gap, np.zeros(num_frames))


def test_another_persons_codes_mean_what_the_persons_own_do() -> None:
    code = ExpressionCode.fit(_face(200, 0), np.arange(200), lower=1, upper=1)
    other = _face(300, 1, size=1.2)
    usable = np.ones(300, bool)
    usable[:10] = False
    prior = recording_of(other, np.random.default_rng(2).normal(5, 3, (300, 4)), usable, code)
    assert prior.known.tolist() == [True, True, False]
    assert (prior.codes[:, 2] == 0).all()
    for values in (prior.codes[usable][:, :2], prior.features[usable]):
        np.testing.assert_allclose(values.mean(0), 0, atol=1e-9)
        np.testing.assert_allclose(values.std(0), 1, rtol=1e-6)
    assert np.corrcoef(prior.codes[:, 0], other.gap)[0, 1] == pytest.approx(1)
    sideways = other.points[:, 0, 0]
    mine = np.corrcoef(code.measure(_face(200, 0))[:, 1], _face(200, 0).points[:, 0, 0])[0, 1]
    assert np.corrcoef(prior.codes[:, 1], sideways)[0, 1] * np.sign(mine) > 0.95


def test_of_another_mesh_the_gap_alone_is_known() -> None:
    code = ExpressionCode.fit(_face(200, 0), np.arange(200), lower=1, upper=1)
    other, usable = _face(100, 1), np.ones(100, bool)
    features = np.random.default_rng(2).normal(size=(100, 4))
    for points in (other.points[:, :30], other.points[:, ::-1], other.points[..., :2]):
        prior = recording_of(replace(other, points=points), features, usable, code)
        assert prior.known.tolist() == [True, False, False]
        assert prior.codes[:, 0].std() == pytest.approx(1)


def _settings(members: int, width: int) -> SpeechModelSettings:
    return SpeechModelSettings(None, (8,), 2, members, width, -1)


def test_other_peoples_speech_helps_who_was_heard_for_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_training, "_steps", lambda rows, varied: 60)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=8)

    def heard(num_frames: int) -> tuple[np.ndarray, np.ndarray]:
        features = rng.normal(size=(num_frames, 8))
        gap = np.tanh(features @ weights)
        return features, np.stack([gap / gap.std(), rng.normal(size=num_frames)], axis=1)

    features, codes = heard(75)
    own = Recording(features * 2 + 1, codes + 0.5 * rng.normal(size=codes.shape), np.ones(75, bool), np.arange(75) / 75)
    prior = PriorRecording(*heard(800), np.array([True, False]), np.ones(800, bool))
    unseen, truth = heard(500)
    agreement = []
    for priors in ((), (prior,)):
        model, _ = learn_speech(
            [own], _settings, importance=np.ones(2), closed_below=-9.0, activity=None, priors=priors
        )
        agreement.append(np.corrcoef(model(torch.from_numpy(unseen * 2 + 1).float())[:, 0], truth[:, 0])[0, 1])
    assert agreement[1] > agreement[0] + 0.1
    assert agreement[1] > 0.75


def test_the_more_a_person_says_the_less_others_count() -> None:
    shares = [prior_share(rows) for rows in (0, 100, 1000, 10_000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert shares[-1] < 0.05


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return make_dataset(tmp_path_factory.mktemp("other") / "set", num_frames=60)


def _code(other: DatasetFolder) -> ExpressionCode:
    return ExpressionCode.fit(measure_clip(other, ReferenceClip(other.root).eyes), np.arange(60), lower=2, upper=1)


def test_a_dataset_is_a_prior(other: DatasetFolder) -> None:
    code, shape = _code(other), EXTRACTORS["log_mel"].shape
    prior = read_prior(other, code, "log_mel", shape)
    assert prior.features.shape == (60, *shape)
    assert prior.known.tolist() == [True, True, True, False]
    other.update_record(lost_frames=[3, 4])
    assert np.flatnonzero(~read_prior(other, code, "log_mel", shape).usable).tolist() == [3, 4]
    other.update_record(lost_frames=[])
    phones = read_prior(other, code, "phones", EXTRACTORS["phones"].shape)  # made of its sound
    assert phones.features.shape == (60, *EXTRACTORS["phones"].shape)


def test_what_cannot_be_a_prior_is_named(other: DatasetFolder, tmp_path: Path) -> None:
    code, shape = _code(other), EXTRACTORS["log_mel"].shape
    with pytest.raises(EGSTalkerError, match=r"no .*aud\.npy: --speech_prior"):
        read_prior(DatasetFolder(tmp_path), code, "log_mel", shape)
    with pytest.raises(EGSTalkerError, match="features of log_mel, and the clip those of wav2vec2"):
        read_prior(other, code, "wav2vec2", EXTRACTORS["wav2vec2"].shape)
    with pytest.raises(EGSTalkerError, match="features of log_mel, and the clip those of another program"):
        read_prior(other, code, None, (29,))
    other.update_record(lost_frames=list(range(30)))
    with pytest.raises(EGSTalkerError, match="30 frames: too few"):
        read_prior(other, code, "log_mel", shape)
    other.update_record(lost_frames=[])


def _likelihoods(*names: str) -> np.ndarray:
    likelihoods = np.zeros((len(names), 2 * PHONES))
    for i, name in enumerate(names):
        likelihoods[i, [PHONE_NAMES.index(name), PHONES + PHONE_NAMES.index(name)]] = 9.0
    return likelihoods


def test_who_was_never_heard_speaks_as_phones_part_lips(tmp_path: Path) -> None:
    names = ["SIL"] * 20 + ["M"] * 8 + ["AA"] * 8 + ["S"] * 8 + ["AA"] * 8 + ["SIL"] * 40
    codes = np.random.default_rng(0).normal(size=(len(names), 3))
    clean = Recording(_likelihoods(*names), codes, np.ones(len(names), bool), np.arange(len(names)) / len(names))
    settings = SpeechModelSettings("phones", (2 * PHONES,), 3, 1, 1, 0, by_phones=True)
    usual = (np.array(USUAL_GAPS) - 0.03) / 0.03
    model, expected = speech_of_phones(clean, settings, usual_gaps=usual, closed_below=-0.9, activity=None)
    said = model(torch.from_numpy(clean.features).float())
    closed, wide, narrow = (float(said[i, 0]) for i in (24, 32, 40))
    assert closed <= -0.9  # of the usual gaps a tenth of the widest is -0.9
    assert closed < narrow < wide
    assert wide <= codes[:, 0].max() + 1
    assert (said[:, 1:] == 0).all()
    assert len(expected.codes) == len(names)
    model.save(tmp_path / "speech.safetensors")
    again = SpeechModel.load(tmp_path / "speech.safetensors")
    torch.testing.assert_close(again(torch.from_numpy(clean.features).float()), said)


@pytest.mark.parametrize(("spoken", "by_phones"), [(2.0, True), (8.0, False)])
def test_a_clip_with_hardly_any_speech_leaves_it_to_the_phones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoken: float, by_phones: bool
) -> None:
    monkeypatch.setattr(speech_training, "_steps", lambda rows, varied: 2)
    num_frames = 250
    folder = make_dataset(tmp_path / "set", num_frames)
    samples = speech_like(num_frames / 25)
    samples[round(16_000 * spoken) :] = 0
    write_wav(folder.audio, samples)
    np.save(folder.audio_features, extract("phones", samples, num_frames))
    folder.update_record(extractor="phones")
    clip = ReferenceClip(folder.root)
    train = len(clip.train)
    face = measure_clip(folder, clip.eyes)
    motion = ModelMotion.of_clip(face, np.arange(train), train, lower=2, upper=1)
    speech, _ = learn_from_clip(motion, folder, np.ones(num_frames, bool), seed=0)
    assert speech.settings.by_phones is by_phones
