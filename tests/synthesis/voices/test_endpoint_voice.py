"""A server as a voice: one of this machine's that answers rightly and wrongly."""

from __future__ import annotations

import contextlib
import io
import json
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from synthesis.voices import voice_of
from synthesis.voices.endpoint import KEY, EndpointVoice
from tests.http_server import QuietHandler, serving

SECRET = "sk-this-is-secret"


def _wav(seconds: float, unknown_length: bool = False) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 24_000, 0, "NONE", ""))
        out.writeframes((9000 * np.sin(np.arange(round(seconds * 24_000)) / 9)).astype("<i2").tobytes())
    raw = file.getvalue()
    return raw[:4] + b"\xff" * 4 + raw[8:40] + b"\xff" * 4 + raw[44:] if unknown_length else raw


class Speaker(QuietHandler):
    """Answers by the path; ``asked`` is what it was asked."""

    asked: list[tuple[str | None, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.headers["Authorization"], body))
        kind = self.path.strip("/")
        if kind == "slow":
            time.sleep(4)
        status, answer = {
            "speech": (200, _wav(0.1 * len(body["input"]))),
            "streamed": (200, _wav(0.5, unknown_length=True)),
            "401": (401, f"wrong key {SECRET}".encode()),
            "400": (400, json.dumps({"error": {"message": f"no voice x\nfor {SECRET} \x1b[31m"}}).encode()),
            "500": (500, b"<html>\nit broke\n"),
            "302": (302, b""),
            "garbage": (200, b"#EXTM3U\nhttp://127.0.0.1/x"),
            "empty": (200, b""),
            "large": (200, bytes(3 << 20)),
            "slow": (200, _wav(0.5)),
            "dripping": (200, _wav(0.5)),
        }[kind]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/speech")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who waits no longer has hung up
            for byte in answer[:40] if kind == "dripping" else ():
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)
            self.wfile.write(answer)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(KEY, raising=False)
    Speaker.asked = []
    handler: type[BaseHTTPRequestHandler] = Speaker
    with serving(handler) as address:
        yield address


def _endpoint(address: str) -> EndpointVoice:
    voice = voice_of(address)
    assert isinstance(voice, EndpointVoice)
    return voice


def _failure(voice: EndpointVoice) -> str:
    with pytest.raises(EGSTalkerError) as error:
        list(voice.speak("Hello."))
    assert "\n" not in str(error.value) and SECRET not in str(error.value) and "\x1b" not in str(error.value)
    return str(error.value)


def test_it_is_asked_as_openai_is_and_its_sound_is_heard(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, f"{SECRET}\n")
    voice = _endpoint(f"{server}/speech#hexgrad/Kokoro/af_sky")
    speech = np.concatenate(list(voice.speak("Hello.")))
    assert abs(len(speech) / voice.rate - 0.6) < 0.01 and 0.2 < np.abs(speech).max() < 0.4
    asked = {"model": "hexgrad/Kokoro", "voice": "af_sky", "input": "Hello.", "response_format": "wav"}
    assert Speaker.asked == [(f"Bearer {SECRET}", asked)]
    assert SECRET not in repr(voice)


@pytest.mark.parametrize(
    ("named", "model", "voice"), [("", "tts-1", "alloy"), ("#kokoro", "kokoro", "alloy"), ("#/nova", "tts-1", "nova")]
)
def test_model_and_voice_have_defaults_and_no_key_is_sent_that_is_not_there(
    server: str, named: str, model: str, voice: str
) -> None:
    list(_endpoint(f"{server}/speech{named}").speak("Hi."))
    ((key, asked),) = Speaker.asked
    assert key is None and asked["model"] == model and asked["voice"] == voice


def test_a_long_text_begins_with_its_first_sentence_alone(server: str) -> None:
    pieces = _endpoint(f"{server}/speech").speak("Ready. " + "It goes on. " * 3)
    next(pieces)
    assert [asked["input"] for _, asked in Speaker.asked] == ["Ready."]
    list(pieces)
    assert [asked["input"] for _, asked in Speaker.asked][1:] == ["It goes on. It goes on. It goes on."]


def test_a_sound_whose_length_was_not_known_when_it_began_is_heard(server: str) -> None:
    voice = _endpoint(f"{server}/streamed")
    assert abs(sum(map(len, voice.speak("Hi."))) / voice.rate - 0.5) < 0.01


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("401", f"answers 401: it refuses the key in {KEY}"), ("400", "answers 400: for ***"), ("500", "500: it broke"),
        ("302", "sends to another address"), ("garbage", "is no WAV file"), ("empty", "gave no sound"),
    ],
)  # fmt: skip
def test_wrong_answers_are_one_line_without_the_key(
    server: str, monkeypatch: pytest.MonkeyPatch, kind: str, said: str
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    assert said in _failure(_endpoint(f"{server}/{kind}"))
    assert len(Speaker.asked) == 1  # no other address has seen the key


def test_a_server_that_wants_a_key_is_said(server: str) -> None:
    assert f"answers 401: give it a key in {KEY}" in _failure(_endpoint(f"{server}/401"))


def test_time_and_size_are_bounded(server: str) -> None:
    for kind in ("slow", "dripping"):
        begin = time.monotonic()
        assert "has not answered within" in _failure(replace(_endpoint(f"{server}/{kind}"), patience=0.3))
        assert time.monotonic() - begin < 3
    assert "more than 2 MiB" in _failure(replace(_endpoint(f"{server}/large"), largest=2 << 20))


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    said = _failure(_endpoint(f"http://127.0.0.1:9/speech?key={SECRET}"))
    assert said.startswith("http://127.0.0.1:9/speech cannot be reached: ")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://", "is not https://HOST"), ("https://[x/y", "cannot be read"), ("http://h:x/y", "cannot be read"),
        ("https://u:sk-this-is-secret@h/y", "no user and password"), ("https://h/a b", "is not https://HOST"),
        ("http://example.org/y", "not sent unencrypted"),
    ],
)  # fmt: skip
def test_addresses_that_will_not_do_are_refused(monkeypatch: pytest.MonkeyPatch, address: str, said: str) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with pytest.raises(EGSTalkerError, match=said) as error:
        voice_of(address)
    assert SECRET not in str(error.value)


def test_a_key_that_would_break_the_request_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, f"{SECRET}\nHost: elsewhere")
    with pytest.raises(EGSTalkerError, match="characters that no key has") as error:
        voice_of("https://example.org/v1/audio/speech")
    assert SECRET not in str(error.value)
