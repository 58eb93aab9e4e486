"""Voices: text becomes speech, piece by piece, by the built-in voice, a command of the user's or a server.

``voice_of`` reads which one is meant; :mod:`synthesis.voices.text` is what all of them do to a text beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from arguments.errors import EGSTalkerError

BUILT_IN = "joe"
KINDS = f"{BUILT_IN} (built in), a command with {{text}} and {{wav}}, or https://HOST/v1/audio/speech#MODEL/VOICE"
"""What ``--voice`` may be, in words."""


@runtime_checkable
class Voice(Protocol):
    """Says texts."""

    @property
    def rate(self) -> int:
        """Samples a second."""

    def speak(self, text: str) -> Iterator[np.ndarray]:
        """The speech, in pieces that follow each other: the first comes before the rest has been made.

        Args:
            text: of at most :data:`synthesis.voices.text.LONGEST` characters.

        Yields:
            float32 [T] in -1..1, mono.

        Raises:
            EGSTalkerError: at once, if the text cannot be spoken at all; between pieces, if the voice fails.
        """


def voice_of(words: str, seed: int = 0) -> Voice:
    """The voice that a user names.

    Args:
        words: one of :data:`KINDS`.
        seed: of the built-in voice: the same says a text in the same way.

    Raises:
        EGSTalkerError: there is none of that name, or the packages of the built-in voice are not installed.
    """
    if words == BUILT_IN:
        from synthesis.voices.built_in import BuiltInVoice

        return BuiltInVoice(seed)
    if words.lower().startswith(("http://", "https://")):
        from synthesis.voices.endpoint import EndpointVoice

        return EndpointVoice.of(words)
    if "://" in words.split(" ", 1)[0]:
        raise EGSTalkerError(f"there is no voice {words}: --voice is {KINDS}")
    from synthesis.voices.command import CommandVoice

    return CommandVoice.of(words)
