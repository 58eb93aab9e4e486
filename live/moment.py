"""What a session gives: moments of 40 ms, and what has happened to utterances by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int16, UInt8

from arguments.clock import FPS

SOUND_RATE = 48_000  # Hz, of the sound that a session gives
SOUND_SAMPLES = SOUND_RATE // FPS
FRAME_MS = 1000 // FPS


@dataclass(frozen=True)
class Event:
    """Something that happened to an utterance. Each has one ``started`` at most, and one of the others."""

    kind: Literal["started", "finished", "interrupted"]
    """Whether with this moment its first sound is heard, with this moment its last, or it will be heard no more."""
    utterance: int
    """Its number, as :meth:`live.session.Session.speak` gave it."""
    played_ms: int
    """How much of it was heard before that, with ``finished`` all of it; pauses in between do not count."""


@dataclass(frozen=True)
class Moment:
    """The 40 ms of one frame: its sound and its picture, which nothing can move apart."""

    frame: int
    """Its number; it is heard and seen ``frame`` * 40 ms after the session's begin."""
    sound: Int16[np.ndarray, "1920"]
    """Mono, 48 kHz."""
    picture: UInt8[np.ndarray, "H W C"] | None
    """RGB, or RGBA before a transparent background; None where there was no time for one: the last one stays."""
    utterance: int | None
    """Number of the one whose sound this is; None where nothing is said."""
    events: tuple[Event, ...]
    """In the order in which they happened since the moment before."""
