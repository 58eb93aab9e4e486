"""Media files opened through PyAV: their streams, and what of them can be decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from arguments.errors import EGSTalkerError


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


def decodable(streams: Any) -> list[Any]:
    """Those of a codec that is known here; PyAV crashes on the packets of others."""
    return [stream for stream in streams if stream.codec_context is not None]


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of some streams (all, if none is named), up to where the file is cut off."""
    with contextlib.suppress(av.FFmpegError):  # a file that is cut off ends where it is cut
        yield from container.demux(*streams)


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of a stream that can be decoded."""
    for packet in packets(container, stream):
        with contextlib.suppress(av.FFmpegError):  # a damaged packet costs its own frames only
            yield from packet.decode()
