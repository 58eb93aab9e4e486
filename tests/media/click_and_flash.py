"""Films in which a click and a flash come together, over and over; and how far apart they are when read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from arguments.clock import FPS, SAMPLE_RATE
from media.sound import read_audio
from media.video import probe, read_frames

FIRST, EVERY = 12, 25  # frames: the first flash, and from one to the next
RATE = 48000  # Hz, of the sound that is encoded
_CLICK = 0.006  # seconds
_SIZE = (64, 48)


@dataclass(frozen=True)
class Recipe:
    """How a film is coded."""

    suffix: str
    video: str = "libx264"
    audio: str = "aac"
    rate: int = RATE
    layout: str = "stereo"
    options: tuple[tuple[str, str], ...] = ()  # of the container
    format: str | None = None


def clicks(seconds: float, rate: int = RATE, *, first: float = FIRST / FPS, every: float = EVERY / FPS) -> np.ndarray:
    """Silence with short bursts: loudest ``first`` seconds from the beginning, and every ``every`` from then on.

    Returns:
        float32 [T].
    """
    sound = np.zeros(round(seconds * rate), np.float32)
    time = np.arange(len(sound)) / rate
    for centre in np.arange(first, seconds - _CLICK, every):
        near = np.flatnonzero(np.abs(time - centre) < _CLICK / 2)
        away = time[near] - centre
        sound[near] += 0.8 * np.cos(2 * np.pi * 1000 * away) * np.cos(np.pi * away / _CLICK) ** 2
    return sound


def pictures(count: int) -> list[np.ndarray]:
    """Dark ones, but for a white one where a click is loudest as it begins."""
    flashes = range(FIRST, count, EVERY)
    return [np.full((_SIZE[1], _SIZE[0], 3), 230 if i in flashes else 20, np.uint8) for i in range(count)]


def write_film(
    path: Path,
    recipe: Recipe,
    seconds: float = 8.0,
    *,
    sound: np.ndarray | None = None,
    picture_start: float = 0.0,
    sound_start: float = 0.0,
    change: Callable[[list[Any]], Iterable[Any]] = lambda packets: packets,
) -> Path:
    """A film of flashes and clicks.

    Args:
        recipe: its codecs and container.
        sound: float [T] or [T, channels] at the recipe's rate; clicks with the flashes if None.
        picture_start, sound_start: seconds at which they begin.
        change: what is done to the sound's packets, which have a ``time_base``.
    """
    sound = clicks(seconds, recipe.rate) if sound is None else sound
    count = round(seconds * FPS)
    with av.open(str(path), "w", format=recipe.format, options=dict(recipe.options)) as container:
        film: Any = container.add_stream(recipe.video, rate=FPS)
        film.width, film.height = _SIZE
        film.pix_fmt, film.bit_rate, film.time_base = (
            "yuv420p",
            400_000,
            Fraction(1, FPS if path.suffix == ".avi" else 90000),
        )
        film.codec_context.time_base = Fraction(1, FPS)
        film.codec_context.thread_count = 1
        track: Any = container.add_stream(recipe.audio, rate=recipe.rate, layout=recipe.layout)
        container.start_encoding()
        shown: list[Any] = []
        for i, image in enumerate(pictures(count)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            shown += film.encode(frame)
        shown += film.encode(None)
        heard = encoded(track, sound, recipe)
        for packets, start in ((shown, picture_start), (heard, sound_start)):
            for packet in packets:
                packet.pts, packet.dts = (value + round(start / packet.time_base) for value in (packet.pts, packet.dts))
        in_order = sorted([*shown, *change(heard)], key=lambda packet: packet.dts * packet.time_base)
        for packet in in_order:
            container.mux(packet)
    return path


def encoded(track: Any, sound: np.ndarray, recipe: Recipe) -> list[Any]:
    """The packets of a track of a recipe's codec.

    Args:
        track: PyAV's stream.
        sound: float [T] or [T, channels].
        recipe: says its rate and layout.
    """
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[recipe.layout]
    samples = np.broadcast_to(sound.reshape(len(sound), -1), (len(sound), channels))
    block = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples.T.astype(np.float32)), format="fltp", layout=recipe.layout
    )
    block.sample_rate, block.pts, block.time_base = recipe.rate, 0, Fraction(1, recipe.rate)
    size = track.codec_context.frame_size or 1024
    fitted = av.AudioResampler(format=track.format, layout=recipe.layout, rate=recipe.rate, frame_size=size)
    packets = [packet for piece in [*fitted.resample(block), *fitted.resample(None)] for packet in track.encode(piece)]
    return [*packets, *track.encode(None)]


def join_takes(path: Path, takes: list[Path]) -> Path:
    """Copy the streams of films after one another, each take from where the one before ends, on the grid of frames."""
    with av.open(str(takes[0])) as first, av.open(str(path), "w") as target:
        streams = [target.add_stream_from_template(stream) for stream in first.streams]
        last: dict[int, int] = {}
        begins = Fraction(0)
        for take in takes:
            with av.open(str(take)) as container:
                for packet in container.demux():
                    base: Any = packet.time_base
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift, index = round(begins / base), packet.stream_index
                    packet.pts += shift
                    packet.dts = max(packet.dts + shift, last.get(index, packet.dts + shift - 1) + 1)
                    last[index], packet.pts = packet.dts, max(packet.pts, packet.dts)
                    packet.stream = streams[index]
                    target.mux(packet)
                length = Fraction(container.duration or 0, av.time_base)
                begins += Fraction(math.ceil(length * FPS), FPS)
    return path


def apart(path: Path) -> np.ndarray:
    """Milliseconds from each flash to its click, as they are read: positive where the sound is late.

    The loudest within half a second of a flash is its click; NaN where nothing is loud there.
    """
    info = probe(path)
    levels = [float(frame.mean()) for frame in read_frames(path, info.num_frames)]
    return gaps(levels, read_audio(path, SAMPLE_RATE, origin=info.start))


def gaps(levels: list[float], sound: np.ndarray) -> np.ndarray:
    """What :func:`apart` tells, of the pictures' brightness, 25 a second, and sound at 16 kHz."""
    bright = np.array(levels) > 120
    flashes = np.flatnonzero(bright & ~np.concatenate(([False], bright[:-1]))) / FPS
    result = []
    for flash in flashes:
        begin = max(round((flash - 0.45) * SAMPLE_RATE), 0)
        near = np.abs(sound[begin : round((flash + 0.45) * SAMPLE_RATE)])
        if near.max(initial=0) < 0.1:
            result.append(np.nan)
            continue
        peak = int(near.argmax())
        around = np.arange(max(peak - 80, 0), min(peak + 80, len(near)))
        energy = near[around] ** 2
        result.append(1000 * ((begin + (around * energy).sum() / energy.sum()) / SAMPLE_RATE - flash))
    return np.array(result)
