"""What an agent says to a session, and what it hears back: JSON, the same over a WebSocket and a data channel.

docs/live.md is its description. A message that is not understood is answered by an ``error``; nothing else happens.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from arguments.errors import EGSTalkerError
from live.moment import FRAME_MS, SOUND_RATE, Event
from live.pcm import check_rate
from live.reading import Reader
from live.seat import Seat

LARGEST = 1 << 20  # characters of a message: 16 s of sound at 24 kHz
Say = Callable[[Mapping[str, Any]], None]


class Protocol:
    """One agent's words to one session. All of it is for the event loop.

    Args:
        seat: the session.
        say: sends a message back; it must not wait.
        reader: of texts; None where the server has no voice.
    """

    def __init__(self, seat: Seat, say: Say, reader: Reader | None = None) -> None:
        self._seat, self._say, self._reader = seat, say, reader
        seat.hearers.append(self._hear)
        seat.refusals.append(self._refuse)
        seat.on_close.append(self._close)

    def greet(self, size: tuple[int, int]) -> None:
        """Say what the session is like; ``size``: height and width of its pictures."""
        self._say(
            {
                "type": "session",
                "session": self._seat.number,
                "height": size[0],
                "width": size[1],
                "frame_ms": FRAME_MS,
                "sound_rate": SOUND_RATE,
                "text": self._reader is not None,
            }
        )

    def leave(self) -> None:
        """Say nothing more to this agent."""
        self._seat.hearers.remove(self._hear)
        self._seat.refusals.remove(self._refuse)
        self._seat.on_close.remove(self._close)

    def receive(self, text: str | bytes) -> None:
        """Do what a message asks for."""
        try:
            self._do(_parsed(text))
        except EGSTalkerError as error:
            self._refuse(str(error))

    def _do(self, message: Mapping[str, Any]) -> None:
        kind = message.get("type")
        if kind == "speak":
            self._seat.speak(_pcm(message.get("audio")), check_rate(message.get("rate", 24_000)))
        elif kind == "speak_end":
            self._seat.end()
        elif kind == "interrupt":
            if self._reader is not None:
                self._reader.interrupt()
            self._seat.interrupt()
        elif kind == "text":
            self._say_text(message.get("text"))
        else:
            raise EGSTalkerError(f"no message has the type {kind!r:.40}; give speak, speak_end, interrupt or text")

    def _say_text(self, text: object) -> None:
        if self._reader is None:
            raise EGSTalkerError("this server has no voice: start it with --voice, or send sound")
        if not isinstance(text, str) or not text.strip():
            raise EGSTalkerError("a text message needs a text")
        self._reader.read(text)

    def _hear(self, event: Event, frame: int) -> None:
        self._say({"type": event.kind, "utterance": event.utterance, "played_ms": event.played_ms, "frame": frame})

    def _refuse(self, why: str) -> None:
        self._say({"type": "error", "message": why})

    def _close(self) -> None:
        self._say({"type": "closed"})


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    if len(text) > LARGEST:
        raise EGSTalkerError(f"a message has at most {LARGEST} characters; send sound in smaller pieces")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EGSTalkerError("a message is JSON") from error
    if not isinstance(message, dict):
        raise EGSTalkerError("a message is a JSON object")
    return message


def _pcm(audio: object) -> bytes:
    if not isinstance(audio, str):
        raise EGSTalkerError("speak needs audio: 16-bit mono PCM in base64")
    try:
        pcm = base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EGSTalkerError("audio is no base64") from error
    if len(pcm) % 2:
        raise EGSTalkerError("audio is no whole number of 16-bit samples")
    return pcm
