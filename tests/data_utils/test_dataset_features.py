"""aud.npy and aud_ds.npy: made, read as given, kept."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils import audio_features
from data_utils.audio_features import DEFAULT_EXTRACTOR, EXTRACTORS, extract, extractor_table
from data_utils.audio_features.dataset_features import default_extractor, write_features
from data_utils.audio_features.feature_file import read_feature_file
from data_utils.preprocess import preprocess
from media.sound import write_wav
from tests.data_utils.sounds import tone

FRAMES = 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A dataset of which only the sound is there; no models are installed."""
    monkeypatch.setattr(audio_features, "MODELS", tmp_path / "models")
    folder = DatasetFolder(tmp_path / "set")
    folder.root.mkdir()
    write_wav(folder.audio, tone(FRAMES / 25))
    folder.update_record(num_frames=FRAMES)
    return folder


def windows(rows=FRAMES, dtype=np.float64):
    return np.random.default_rng(0).normal(0, 5, (rows, 16, 29)).astype(dtype)


def contents(folder):
    return [path.read_bytes() for path in (folder.audio_features, folder.audio_features_ds) if path.is_file()]


def task_2(folder, extractor):
    return [outcome.skipped for outcome in preprocess(folder, None, only=2, extractor=extractor)]


def test_both_files_hold_the_rows_and_the_extractor_is_recorded(folder):
    assert write_features(folder, "log_mel", FRAMES) == FRAMES
    rows = read_feature_file(folder.audio_features)
    np.testing.assert_array_equal(rows, read_feature_file(folder.audio_features_ds))
    assert rows.shape == (FRAMES, *EXTRACTORS["log_mel"].shape)
    assert folder.read_record()["extractor"] == "log_mel"


@pytest.mark.parametrize("name", ["aud_ds.npy", "aud.npy"])
@pytest.mark.parametrize("rows", [FRAMES, FRAMES + 3])
def test_deepspeech_windows_of_another_program_are_read_as_given(folder, name, rows):
    np.save(folder.root / name, windows(rows))
    given = (folder.root / name).read_bytes()
    os.utime(folder.root / name, (0, 0))  # older than the sound
    assert default_extractor(folder) == "deepspeech"
    assert task_2(folder, "deepspeech") == [False]
    assert (folder.root / name).read_bytes() == given
    for path in (folder.audio_features, folder.audio_features_ds):
        np.testing.assert_array_equal(read_feature_file(path), windows(rows).astype(np.float32))
    assert folder.read_record()["extractor"] == "deepspeech"
    assert task_2(folder, "deepspeech") == [True]


def test_a_new_sound_does_not_cost_given_features(folder):
    np.save(folder.audio_features_ds, windows())
    task_2(folder, "deepspeech")
    given = folder.audio_features_ds.read_bytes()
    folder.audio.write_bytes(folder.audio.read_bytes()[:-2000] + bytes(2000))
    assert task_2(folder, "deepspeech") == [False]
    assert folder.audio_features_ds.read_bytes() == given


def test_given_features_replace_log_mel_of_before(folder):
    write_features(folder, "log_mel", FRAMES)
    assert default_extractor(folder) == "log_mel"
    np.save(folder.audio_features_ds, windows())
    write_features(folder, "deepspeech", FRAMES)
    assert read_feature_file(folder.audio_features).shape == (FRAMES, 16, 29)


def test_features_of_an_earlier_version_are_made_anew(folder):
    task_2(folder, "log_mel")
    rows = read_feature_file(folder.audio_features)
    for path in (folder.audio_features, folder.audio_features_ds):
        np.save(path, rows[:, :160])
    folder.update_record(tasks={"2": {"extractor": "log_mel"}})
    assert task_2(folder, "log_mel") == [False]
    np.testing.assert_array_equal(read_feature_file(folder.audio_features), rows)


def test_features_that_were_made_here_are_not_taken_for_given(folder):
    write_features(folder, "log_mel", FRAMES)
    before = contents(folder)
    with pytest.raises(EGSTalkerError, match=r"deepspeech .16 x 29 .*download_models\.sh"):
        write_features(folder, "deepspeech", FRAMES)
    assert contents(folder) == before
    assert folder.read_record()["extractor"] == "log_mel"


@pytest.mark.parametrize(
    ("values", "message"),
    [(windows(FRAMES - 6), "24 rows for 30 frames"), (np.full((FRAMES, 16, 29), np.nan), "not finite")],
)
def test_given_features_that_do_not_fit_are_refused_and_kept(folder, values, message):
    np.save(folder.audio_features_ds, values)
    before = contents(folder)
    with pytest.raises(EGSTalkerError, match=message):
        write_features(folder, "deepspeech", FRAMES)
    assert contents(folder) == before


class _Trap:
    def __reduce__(self):
        return os.mkdir, ("trap",)


@pytest.mark.parametrize(
    "fault", ["pickle", "object", "archive", "header", "no header", "truncated", "empty", "complex", "text"]
)
def test_a_file_that_holds_no_features_is_refused_in_one_line(tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.npy"
    np.save(path, windows(4))
    whole = path.read_bytes()
    if fault == "pickle":
        path.write_bytes(pickle.dumps(_Trap()))
    elif fault == "object":
        np.save(path, np.array([_Trap()], object), allow_pickle=True)
    elif fault == "archive":
        with path.open("wb") as file:
            np.savez(file, windows(4))
    elif fault == "header":
        path.write_bytes(whole.replace(b"(4, 16, 29)", b"(99999, 99)"))
    elif fault == "no header":
        path.write_bytes(whole.replace(b"(4, 16, 29)", b"((((((((((("))
    elif fault == "truncated":
        path.write_bytes(whole[:-100])
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "complex":
        np.save(path, windows(4) * 1j)
    else:
        path.write_text("0.1 0.2 0.3")
    with pytest.raises(EGSTalkerError, match=r"x\.npy") as refused:
        read_feature_file(path)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    "values",
    [np.zeros(9), np.zeros((9, 2, 3, 4)), np.zeros((9, 160), int), np.zeros((0, 160)), np.full((9, 16, 29), 1e300)],
)
def test_wrong_shapes_and_values_are_refused(tmp_path, values):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(EGSTalkerError, match=r"x\.npy"):
        read_feature_file(tmp_path / "x.npy")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_any_floats_are_read_as_float32(tmp_path, dtype):
    np.save(tmp_path / "x.npy", windows(4, dtype))
    rows = read_feature_file(tmp_path / "x.npy")
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, windows(4, dtype).astype(np.float32))


def test_the_table_names_every_extractor_its_size_and_licence():
    table = extractor_table()
    assert len(table) == 1 + len(EXTRACTORS) and all(len(line) < 120 for line in table)
    for line, (name, entry) in zip(table[1:], EXTRACTORS.items(), strict=True):
        assert name in line and entry.size in line and entry.licence in line
        assert (f"{entry.megabytes} MB" in line) == bool(entry.model)


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(EGSTalkerError, match="not finite"):
        extract("log_mel", np.full(16000, np.nan, np.float32), 25)


def test_a_dataset_keeps_the_extractor_it_was_made_with(folder):
    assert default_extractor(folder) == DEFAULT_EXTRACTOR == "log_mel_phones"
    write_features(folder, "log_mel", FRAMES)
    assert default_extractor(folder) == "log_mel"
    folder.update_record(extractor=None)
    assert default_extractor(folder) == "log_mel"  # by the shape of aud.npy


def test_log_mel_and_phones_stand_side_by_side():
    sound = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    rows = extract("log_mel_phones", sound, 30, fit_frames=20)
    assert rows.shape == (30, 322)
    np.testing.assert_array_equal(rows[:, :162], extract("log_mel", sound, 30, fit_frames=20))
    np.testing.assert_array_equal(rows[:, 162:], extract("phones", sound, 30, fit_frames=20))
