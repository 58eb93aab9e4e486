"""A voice that is a server: one that answers as OpenAI's speech endpoint does, and many programs beside it.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from arguments.errors import EGSTalkerError
from arguments.foreign_text import last_words
from synthesis.voices.text import checked, passages
from synthesis.voices.wav import RATE, wav_blocks

KEY = "EGSTALKER_VOICE_KEY"
"""The environment variable whose value the server is shown, if it is set."""
_PASSAGE = 1000  # characters a request; OpenAI takes 4,096
_HERE = ("localhost", "127.0.0.1", "::1")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key is for the server that was named, not for one that it names."""

    def redirect_request(self, *arguments: object) -> None:
        return None


@dataclass(frozen=True)
class EndpointVoice:
    """Says a text by POST requests: its first sentence, then passages of up to 1,000 characters."""

    url: str
    model: str = "tts-1"
    voice: str = "alloy"
    key: str = field(default="", repr=False)
    patience: float = 120.0
    """Seconds for one request, from its beginning to its end."""
    largest: int = 64 * 2**20
    """Bytes of one answer."""

    @classmethod
    def of(cls, address: str) -> EndpointVoice:
        """The voice of ``https://HOST/PATH[#MODEL[/VOICE]]``, with the key of the environment.

        Raises:
            EGSTalkerError: the address cannot be used, or the key would travel unencrypted.
        """
        try:
            parts = urllib.parse.urlsplit(address)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise EGSTalkerError(f"the address of --voice cannot be read: {error}") from error
        if not host or not address.isascii() or not address.isprintable() or " " in address:
            raise EGSTalkerError("the address of --voice is not https://HOST/v1/audio/speech#MODEL/VOICE")
        if parts.username is not None or parts.password is not None:
            raise EGSTalkerError(f"--voice takes no user and password in an address; give a key in {KEY}")
        key = os.environ.get(KEY, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EGSTalkerError(f"the key in {KEY} has characters that no key has")
        if key and parts.scheme != "https" and host not in _HERE:
            raise EGSTalkerError(f"the key in {KEY} is not sent unencrypted: give an https:// address, or unset it")
        model, slash, voice = parts.fragment.rpartition("/")
        if not slash:
            model, voice = voice, ""
        model, voice = urllib.parse.unquote(model) or cls.model, urllib.parse.unquote(voice) or cls.voice
        return cls(parts._replace(fragment="").geturl(), model, voice, key)

    @property
    def rate(self) -> int:
        """48,000 samples a second, whatever the server sends."""
        return RATE

    def speak(self, text: str) -> Iterator[np.ndarray]:
        """See :meth:`synthesis.voices.Voice.speak`.

        Raises:
            EGSTalkerError: the server cannot be reached, refuses, takes too long, or sends too much or no WAV file.
        """
        return self._pieces(checked(text))

    def _pieces(self, text: str) -> Iterator[np.ndarray]:
        for passage in passages(text, _PASSAGE):
            with tempfile.TemporaryDirectory(prefix="egstalker-voice-") as folder:
                sound = Path(folder) / "speech.wav"
                sound.write_bytes(self._answer(passage))
                yield from wav_blocks(sound, self._shown)

    @property
    def _shown(self) -> str:
        """The address without what may be secret in it."""
        parts = urllib.parse.urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"

    def _answer(self, text: str) -> bytes:
        """The body of the answer; a thread waits for it, since a socket's time limit is of each of many reads."""
        answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._asked(text))
            except Exception as error:
                answers.put(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=self.patience)
        except queue.Empty:
            raise EGSTalkerError(f"{self._shown} has not answered within {self.patience:.0f} s") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _asked(self, text: str) -> bytes:
        asked = {"model": self.model, "voice": self.voice, "input": text, "response_format": "wav"}
        headers = {"Content-Type": "application/json", "User-Agent": "EGSTalker", "Accept-Encoding": "identity"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url, json.dumps(asked).encode(), headers, method="POST")
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.patience + 1) as response:
                body = response.read(self.largest + 1)
        except urllib.error.HTTPError as error:
            raise EGSTalkerError(self._refusal(error)) from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            said = self._without_key(last_words(str(reason).encode()))
            raise EGSTalkerError(f"{self._shown} cannot be reached: {said or type(error).__name__}") from None
        if len(body) > self.largest:
            raise EGSTalkerError(f"{self._shown} sends more than {self.largest / 2**20:,.0f} MiB for a passage")
        return body

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        if error.code in (401, 403):
            return f"{self._shown} answers {error.code}: {'it refuses the' if self.key else 'give it a'} key in {KEY}"
        if 300 <= error.code < 400:
            return f"{self._shown} answers {error.code}: it sends to another address; give that one to --voice"
        try:
            body = error.read(8192)
        except (http.client.HTTPException, OSError):
            body = b""
        try:
            said = str(json.loads(body)["error"]["message"]).encode()
        except (ValueError, KeyError, TypeError, RecursionError):
            said = body
        words = last_words(said) or last_words(str(error.reason).encode())
        return f"{self._shown} answers {error.code}: {self._without_key(words)}"

    def _without_key(self, words: str) -> str:
        return words.replace(self.key, "***") if self.key else words
