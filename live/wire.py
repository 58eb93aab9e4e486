"""What the server and its processes say to each other: a few numbers, a little JSON, and bytes as they are."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from live.moment import SOUND_SAMPLES, Event, Moment
from live.picture_ring import PictureRing

_HEAD = struct.Struct("<BII")  # kind, session, bytes of JSON


class Kind(IntEnum):
    """Of a message: what the server asks of a stage, what a stage answers, what the server and peers say."""

    OPEN = 1  # a session: seed
    CLOSE = 2
    SPEAK = 3  # 16-bit mono PCM: rate
    END = 4
    INTERRUPT = 5
    WATCH = 6  # whether pictures are wanted: wanted
    STOP = 7  # the process
    READY = 16  # the process; a stage: width, height, and name and bytes of its ring
    MOMENT = 17
    REFUSED = 18  # what was asked for a session: why
    FAILED = 19  # the stage, for good: why
    OFFER = 32  # to a peer, SDP: listens; from it ANSWER or REFUSED
    ANSWER = 33  # SDP
    CHANNEL = 34  # a peer has opened its data channel
    WORDS = 35  # a message on it, either way


@dataclass(frozen=True)
class Message:
    """One of them; ``session`` is 0 where it concerns the stage."""

    kind: Kind
    session: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""


def packed(message: Message) -> bytes:
    """The bytes of a message."""
    about = json.dumps(message.about).encode()
    return _HEAD.pack(message.kind, message.session, len(about)) + about + message.body


def unpacked(data: bytes) -> Message:
    """The message of the bytes. Raises ValueError where they are none."""
    try:
        kind, session, length = _HEAD.unpack_from(data)
        begin = _HEAD.size + length
        return Message(Kind(kind), session, json.loads(data[_HEAD.size : begin]), data[begin:])
    except struct.error as error:
        raise ValueError("no message") from error


def of_moment(session: int, moment: Moment, ring: PictureRing) -> Message:
    """A session's moment, to be sent; its picture lies in the ring."""
    about: dict[str, Any] = {
        "frame": moment.frame,
        "utterance": moment.utterance,
        "events": [[event.kind, event.utterance, event.played_ms] for event in moment.events],
        "picture": None if moment.picture is None else [ring.write(moment.picture), *moment.picture.shape],
    }
    return Message(Kind.MOMENT, session, about, moment.sound.astype("<i2").tobytes())


def to_moment(message: Message, ring: PictureRing) -> Moment:
    """The moment that :func:`of_moment` sent; without its picture, where that has waited for too long."""
    about, picture = message.about, None
    if about["picture"] is not None:
        number, *shape = about["picture"]
        picture = ring.read(number, tuple(shape))
    return Moment(
        about["frame"],
        np.frombuffer(message.body, "<i2", count=SOUND_SAMPLES),
        picture,
        about["utterance"],
        of_events(message),
    )


def of_events(message: Message) -> tuple[Event, ...]:
    """The events of a moment that :func:`of_moment` sent."""
    return tuple(Event(kind, utterance, played) for kind, utterance, played in message.about["events"])
