"""A program of the user's as a voice."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from synthesis.voices import voice_of
from synthesis.voices.command import CommandVoice

# Says each character as 0.01 s of a tone, whose loudness is 0.5.
SPEAKER = """
import io, sys, wave, numpy as np
text, target = sys.argv[1:3]
if text == "STDIN":
    text = sys.stdin.buffer.read().decode()
file = io.BytesIO()
with wave.open(file, "wb") as out:
    out.setparams((1, 2, 16000, 0, "NONE", ""))
    out.writeframes((0.5 * 32767 * np.sin(np.arange(160 * len(text)) / 4)).astype("<i2").tobytes())
(sys.stdout.buffer if target == "STDOUT" else open(target, "wb")).write(file.getvalue())
"""


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("a voice") / "speaker.py"
    path.write_text(SPEAKER)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"


def _python(program: str) -> CommandVoice:
    return CommandVoice((sys.executable, "-c", program))


def _failure(voice: CommandVoice, text: str = "Hello.") -> str:
    with pytest.raises(EGSTalkerError) as error:
        list(voice.speak(text))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("ways", ["{text} {wav}", "STDIN {wav}", "{text} STDOUT", "STDIN STDOUT"])
def test_it_is_given_the_text_and_gives_the_sound(speaker: str, ways: str) -> None:
    voice = voice_of(f"{speaker} {ways}")
    for text in ('Grüße; $(touch x) `id` "it\'s" {wav}', "-5 degrees"):
        speech = np.concatenate(list(voice.speak(text)))
        expected = 0.01 * (
            len(text) + (ways[:6] == "{text}" and text[0] == "-")
        )  # a space keeps it from being an option
        assert abs(len(speech) / voice.rate - expected) < 0.005
        assert speech.dtype == np.float32 and 0.3 < np.abs(speech).max() < 0.6


def test_a_long_text_goes_through_its_input_and_not_into_an_argument(speaker: str) -> None:
    text = "äö " * 15_000
    assert "leave out {text}" in _failure(voice_of(f"{speaker} {{text}}{{text}} {{wav}}"), text)
    assert sum(map(len, voice_of(f"{speaker} STDIN {{wav}}").speak(text))) > 440 * 48_000


def test_a_program_that_fails_is_one_line_with_its_last_words() -> None:
    said = _failure(_python("import sys; print('loading', file=sys.stderr); sys.exit('\\x1b[31mno such model\\n')"))
    assert said == f"{sys.executable} failed (1): no such model"
    assert _failure(_python("import sys; sys.exit(3)")).endswith("failed (3): it said nothing")
    assert "there is no program nothing-of-this-name" in _failure(CommandVoice(("nothing-of-this-name",)))
    assert "cannot be run" in _failure(CommandVoice((str(Path(__file__).parent),)))


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('no sound')", "is no WAV file"),
        ("pass", "gave no sound"),
        ("print('#EXTM3U\\nfile:///etc/passwd')", "is no WAV file"),
        ("import sys; sys.stdout.buffer.write(b'RIFF\\x10\\0\\0\\0WAVEjunkjunkjunk')", "damaged or holds no sound"),
    ],
)
def test_what_is_no_wav_file_is_refused(program: str, said: str) -> None:
    assert said in _failure(_python(program))


def test_a_file_that_is_not_written_is_said() -> None:
    assert "without writing {wav}" in _failure(CommandVoice((sys.executable, "-c", "pass", "{wav}")))


def test_it_is_ended_with_all_that_it_started_when_it_takes_too_long(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    child = (
        f"import time, pathlib\nwhile True: pathlib.Path({str(alive)!r}).write_text(str(time.time())); time.sleep(0.02)"
    )
    program = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    begin = time.monotonic()
    assert "has not ended within 1 s" in _failure(replace(_python(program), patience=-5.0), "Hello.")
    assert time.monotonic() - begin < 10
    time.sleep(0.1)
    last = alive.read_text()
    time.sleep(0.2)
    assert alive.read_text() == last


def test_it_is_ended_when_it_writes_without_end() -> None:
    endless = "import sys\nwhile True: sys.stdout.buffer.write(bytes(1 << 20))"
    assert "more than 8 MiB" in _failure(replace(_python(endless), largest=8 << 20))


@pytest.mark.parametrize(("line", "said"), [("", "is empty"), ("say 'it", "cannot be read"), ("ftp://x/y", "no voice")])
def test_a_command_that_is_none_is_refused(line: str, said: str) -> None:
    with pytest.raises(EGSTalkerError, match=said):
        voice_of(line)
