"""Moments for programs that read no WebRTC: one binary message each, a picture as JPEG and 40 ms of sound.

Little-endian: the frame's number (4 bytes), the bytes of the picture (4; 0 where there is none), the sound (1,920
16-bit samples of 48 kHz), the picture.
"""

from __future__ import annotations

import struct

from live.moment import Moment
from media.images import encoded

_HEAD = struct.Struct("<II")


def media_message(moment: Moment) -> bytes:
    """The message of a moment."""
    picture = b"" if moment.picture is None else encoded(moment.picture[..., :3], ".jpg") or b""
    return _HEAD.pack(moment.frame, len(picture)) + moment.sound.astype("<i2").tobytes() + picture
