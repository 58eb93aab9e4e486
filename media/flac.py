"""Sound in few bytes without loss: FLAC (RFC 9639), which every browser plays to the sample."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

_BLOCK = 4096  # samples that are encoded at once


def flac(blocks: Iterable[np.ndarray], rate: int, length: int) -> bytes:
    """A FLAC file of mono sound, 16 bits a sample.

    Args:
        blocks: float32 [T], -1..1.
        rate: samples a second.
        length: samples of the file: what is more is cut, what is missing is silence.
    """
    samples = np.zeros(length, np.int16)
    at = 0
    for block in blocks:
        part = block[: length - at]
        samples[at : at + len(part)] = np.rint(part * 32768).clip(-32768, 32767)
        at += len(part)
        if at == length:
            break
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = cast(AudioStream, container.add_stream("flac", rate=rate, layout="mono"))
        for start in range(0, length, _BLOCK):
            frame = AudioFrame.from_ndarray(samples[None, start : start + _BLOCK], format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
