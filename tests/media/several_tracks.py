"""Films with several audio tracks, and what can be heard in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

SECONDS = 4
RATE = 16000


def chord(seconds: float) -> np.ndarray:
    """Music without pauses."""
    time = np.arange(int(seconds * RATE)) / RATE
    return sum(0.2 * np.sin(2 * np.pi * pitch * time) for pitch in (220, 277, 330)).astype(np.float32)


def syllables(seconds: float, pitch: float = 440) -> np.ndarray:
    """A voice of one pitch that comes and goes four times a second."""
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * pitch * time) * np.clip(2 * np.sin(2 * np.pi * 2 * time), 0, 1)).astype(np.float32)


def write_tracks(path: Path, tracks: list[np.ndarray], defaults: tuple[int, ...] = ()) -> Path:
    """A film with several audio tracks, of which some have the default flag."""
    with av.open(str(path), "w") as container:
        film: Any = container.add_stream("mpeg4", rate=25)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        streams: list[Any] = [container.add_stream("aac", rate=RATE, layout="mono") for _ in tracks]
        for number, stream in enumerate(streams, 1):
            stream.disposition = av.stream.Disposition.default if number in defaults else av.stream.Disposition(0)
        for k in range(25 * SECONDS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), k, np.uint8), format="rgb24")
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
        for stream, samples in zip(streams, tracks, strict=True):
            block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            block.sample_rate = RATE
            fitted = av.AudioResampler(format="fltp", layout="mono", rate=RATE, frame_size=1024)
            for piece in [*fitted.resample(block), *fitted.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))
    return path


def pitch_of(samples: np.ndarray) -> int:
    return round(np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples))
