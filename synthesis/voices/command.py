"""A voice that is a program of the user's: it is given a text, and makes a WAV file of it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arguments.errors import EGSTalkerError
from arguments.foreign_text import last_words
from synthesis.voices.text import checked
from synthesis.voices.wav import RATE, wav_blocks


@dataclass(frozen=True)
class CommandVoice:
    """A command whose words ``{text}`` and ``{wav}`` become the text and the path of the WAV file that it shall write.

    Without ``{text}`` it reads the text, UTF-8, from its standard input; without ``{wav}`` it writes the WAV file to
    its standard output. No shell sees any of it. It says a text in one piece, since most such programs take longer to
    start than to speak.
    """

    words: tuple[str, ...]
    """The program and its arguments."""
    patience: float = 120.0
    """Seconds after which it is ended, and one more for each character of the text."""
    largest: int = 2**30
    """Bytes that it may write."""

    @classmethod
    def of(cls, line: str) -> CommandVoice:
        """The voice of a command line, split as a POSIX shell splits it.

        Raises:
            EGSTalkerError: it is empty, or a quotation mark in it is not closed.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise EGSTalkerError(f"the command of --voice cannot be read: {error}") from error
        if not words:
            raise EGSTalkerError("--voice is empty: name a voice, or leave it out")
        return cls(tuple(words))

    @property
    def rate(self) -> int:
        """48,000 samples a second, whatever the WAV file has."""
        return RATE

    def speak(self, text: str) -> Iterator[np.ndarray]:
        """See :meth:`synthesis.voices.Voice.speak`.

        Raises:
            EGSTalkerError: the program is not there, fails, takes too long, writes too much, or gives no WAV file.
        """
        return self._pieces(checked(text))

    def _pieces(self, text: str) -> Iterator[np.ndarray]:
        with tempfile.TemporaryDirectory(prefix="egstalker-voice-") as name:
            folder = Path(name)
            self._run(text, folder)
            sound = folder / ("speech.wav" if "{wav}" in " ".join(self.words) else "stdout")
            if not sound.is_file():
                raise EGSTalkerError(f"{self.words[0]} ended without writing {{wav}}")
            yield from wav_blocks(sound, self.words[0])

    def _run(self, text: str, folder: Path) -> None:
        program = self.words[0]
        (folder / "stdin").write_bytes(b"" if "{text}" in " ".join(self.words) else text.encode())
        limit = self.patience + len(text)
        with (
            (folder / "stdin").open("rb") as given,
            (folder / "stdout").open("wb") as stdout,
            (folder / "stderr").open("wb") as stderr,
        ):
            try:
                process = subprocess.Popen(
                    [_filled(word, text, folder / "speech.wav") for word in self.words],
                    stdin=given,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                raise EGSTalkerError(_cannot_start(program, error)) from error
            try:
                self._wait(process, folder, limit)
            finally:
                with contextlib.suppress(OSError):  # it and what it started: they are a group of their own
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            said = last_words((folder / "stderr").read_bytes()) or last_words((folder / "stdout").read_bytes())
            raise EGSTalkerError(f"{program} failed ({process.returncode}): {said or 'it said nothing'}")

    def _wait(self, process: subprocess.Popen[bytes], folder: Path, limit: float) -> None:
        deadline = time.monotonic() + limit
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            written = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
            if written > self.largest:
                raise EGSTalkerError(f"{self.words[0]} has written more than {self.largest / 2**20:,.0f} MiB: ended")
            if process.returncode is not None:
                return
            if time.monotonic() > deadline:
                raise EGSTalkerError(f"{self.words[0]} has not ended within {limit:.0f} s")


def _filled(word: str, text: str, wav: Path) -> str:
    if word == "{text}" and text.startswith("-"):
        return f" {text}"  # or the program would take it for an option
    return re.sub(r"\{(text|wav)\}", lambda found: text if found[1] == "text" else str(wav), word)


def _cannot_start(program: str, error: OSError) -> str:
    if error.errno == errno.E2BIG:
        return f"the text is too long for an argument of {program}: leave out {{text}}, and it reads it from its input"
    if error.errno == errno.ENOENT:
        from synthesis.voices import KINDS

        return f"there is no program {program} here (EGSTALKER_RUNTIME=native runs your own): --voice is {KINDS}"
    return f"{program} cannot be run: {error.strerror}"
