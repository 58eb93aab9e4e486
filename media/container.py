"""Media files opened through PyAV: their streams, and what of them can be decoded."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from arguments.errors import EGSTalkerError
from media.packet_scan import COVER_ART, scan, shift

_NO_VIDEO = ("image2", "tty", "gif", "webp", "apng", "ico")  # still pictures, their flip books, and text


@contextlib.contextmanager
def open_media(path: Path | str) -> Iterator[Any]:
    """Open a file for reading, and close it at the end of the block.

    Yields:
        PyAV's input container.

    Raises:
        EGSTalkerError: there is no such file, or it is no media file.
    """
    if not Path(path).is_file():
        raise EGSTalkerError(f"{path} is not a file; give the path of a video or audio file")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise EGSTalkerError(f"{path} cannot be read as video or audio (damaged, or not a media file)") from error
    with container:
        yield container


def has_pictures(path: Path | str) -> bool:
    """Whether a file is a video, rather than a still picture, a text, or a sound with or without a cover."""
    try:
        with open_media(path) as container:
            if container.format.name in _NO_VIDEO or container.format.name.endswith("_pipe"):
                return False
            return bool(films(container))
    except EGSTalkerError:
        return False


@functools.cache
def video_suffixes() -> frozenset[str]:
    """The suffixes of all formats that can be read or written here, ".mp4" and so on, in lower case."""
    suffixes = set()
    for name in av.formats_available:
        for mode in ("r", "w"):
            with contextlib.suppress(ValueError):  # a format that can only be written, or only be read
                suffixes |= av.ContainerFormat(name, mode).extensions
    return frozenset(f".{suffix.strip().lower()}" for suffix in suffixes)


def decodable(streams: Any) -> list[Any]:
    """Those of a codec that is known here; PyAV crashes on the packets of others."""
    return [stream for stream in streams if stream.codec_context is not None]


def films(container: Any) -> list[Any]:
    """The streams of moving pictures that can be decoded: a cover is none."""
    return [stream for stream in decodable(container.streams.video) if not stream.disposition & COVER_ART]


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of some streams (all, if none is named), up to where the file is cut off.

    Their times are those of one clock, also where a file holds recordings with a clock each. A container is read once.
    """
    known, numbers = scan(container.name), Counter[int]()
    with contextlib.suppress(av.FFmpegError):  # a file that is cut off ends where it is cut
        for packet in container.demux(*streams):
            if len(known.shifts) > 1:
                shift(packet, numbers[packet.stream_index], known)
                numbers[packet.stream_index] += 1
            yield packet


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of a stream that can be decoded."""
    for packet in packets(container, stream):
        with contextlib.suppress(av.FFmpegError):  # a damaged packet costs its own frames only
            yield from packet.decode()
