"""Films whose containers went wrong: cut off, packets lost, repeated or swapped, clocks that leap, other formats."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.media.click_and_flash import Recipe, write_film

SECONDS = 3.0
RECIPES = {
    "mp4": Recipe(".mp4"),
    "mkv": Recipe(".mkv", "mpeg4", "libopus"),
    "ts": Recipe(".ts", audio="mp2"),
}
OTHERS = {  # of the same container, with another sound
    "mp4": Recipe(".mp4", rate=44100, layout="mono"),
    "mkv": Recipe(".mkv", "mpeg4", "aac", 44100),
    "ts": Recipe(".ts", audio="mp2", rate=32000, layout="mono"),
}

Packets = list[Any]
Random = np.random.Generator


def write_mutated(path: Path, whole: Path, other: Path, generator: Random) -> str:
    """Write ``whole`` with something wrong in its container; returns what."""
    name = str(generator.choice([*BYTES, *PACKETS]))
    if name in BYTES:
        path.write_bytes(BYTES[name](whole.read_bytes(), other.read_bytes(), generator))
    else:
        _remux(path, whole, lambda packets: PACKETS[name](packets, generator))
    return name


def _remux(path: Path, whole: Path, change: Callable[[Packets], Packets]) -> None:
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        streams = [target.add_stream_from_template(stream) for stream in source.streams]
        for packet in change([packet for packet in source.demux() if packet.pts is not None]):
            packet.stream = streams[packet.stream_index]
            with contextlib.suppress(av.FFmpegError):  # what the muxer does not take is lost, too
                target.mux(packet)


def _cut(whole: bytes, other: bytes, generator: Random) -> bytes:
    return whole[: generator.integers(1, len(whole))]


def _headless(whole: bytes, other: bytes, generator: Random) -> bytes:
    return whole[generator.integers(1, len(whole)) :]


def _followed(whole: bytes, other: bytes, generator: Random) -> bytes:
    return whole[: generator.integers(len(whole) // 2, len(whole) + 1)] + other


def _holed(whole: bytes, other: bytes, generator: Random) -> bytes:
    begin, end = np.sort(generator.integers(len(whole), size=2))
    return whole[:begin] + bytes(end - begin) * int(generator.integers(2)) + whole[end:]


def _flipped(whole: bytes, other: bytes, generator: Random) -> bytes:
    data = bytearray(whole)
    for place in generator.integers(len(data), size=generator.integers(1, 60)):
        data[place] = generator.integers(256)
    return bytes(data)


def _dropped(packets: Packets, generator: Random) -> Packets:
    share = generator.random() * 0.8
    return [packet for packet in packets if generator.random() > share]


def _stretch_dropped(packets: Packets, generator: Random) -> Packets:
    begin, end = np.sort(generator.integers(len(packets), size=2))
    return packets[:begin] + packets[end:]


def _one_stream_dropped(packets: Packets, generator: Random) -> Packets:
    stream, begin = generator.integers(2), generator.integers(len(packets))
    return [packet for i, packet in enumerate(packets) if packet.stream_index != stream or i < begin]


def _repeated(packets: Packets, generator: Random) -> Packets:
    begin, end = np.sort(generator.integers(len(packets), size=2))
    return packets[:end] + packets[begin:]


def _swapped(packets: Packets, generator: Random) -> Packets:
    for _ in range(generator.integers(1, 30)):
        one, two = (packets[i] for i in generator.integers(len(packets), size=2))
        one.pts, two.pts = two.pts, one.pts
        one.dts, two.dts = (min(packet.dts or packet.pts, packet.pts) for packet in (two, one))
    return packets


def _leaping(packets: Packets, generator: Random) -> Packets:
    begin, leap = generator.integers(len(packets)), float(generator.choice([-2, -0.3, -0.02, 0.02, 0.3, 2, 30, 4000]))
    for packet in packets[begin:]:
        if generator.integers(8):
            _move(packet, leap)
    return packets


def _one_leaping(packets: Packets, generator: Random) -> Packets:
    begin, stream = generator.integers(len(packets)), generator.integers(2)
    leap = float(generator.choice([-2, -0.3, 0.02, 0.3, 2, 30, 4000, 1e7]))
    for packet in packets[begin:]:
        if packet.stream_index == stream:
            _move(packet, leap)
    return packets


def _jittering(packets: Packets, generator: Random) -> Packets:
    size = float(generator.choice([0.001, 0.01, 0.1, 1]))
    for packet in packets:
        _move(packet, size * generator.standard_normal())
    return packets


def _drifting(packets: Packets, generator: Random) -> Packets:
    speed, stream = float(generator.choice([0.5, 0.98, 1.01, 1.1, 3, 100])), generator.integers(2)
    for packet in packets:
        if packet.stream_index == stream:
            packet.pts, packet.dts = round(packet.pts * speed), round((packet.dts or packet.pts) * speed)
    return packets


def _move(packet: Any, seconds: float) -> None:
    ticks = round(Fraction(seconds) / packet.time_base)
    packet.pts, packet.dts = packet.pts + ticks, (packet.dts if packet.dts is not None else packet.pts) + ticks


BYTES = {"cut": _cut, "headless": _headless, "followed": _followed, "holed": _holed, "flipped": _flipped}
PACKETS = {
    **{"dropped": _dropped, "stretch dropped": _stretch_dropped, "one stream dropped": _one_stream_dropped},
    **{"repeated": _repeated, "swapped": _swapped, "leaping": _leaping, "one leaping": _one_leaping},
    **{"jittering": _jittering, "drifting": _drifting},
}


def write_whole(folder: Path, container: str) -> tuple[Path, Path]:
    """A whole film of a container, and another with another sound."""
    whole, other = folder / f"whole{RECIPES[container].suffix}", folder / f"other{RECIPES[container].suffix}"
    return write_film(whole, RECIPES[container], SECONDS), write_film(other, OTHERS[container], SECONDS)
