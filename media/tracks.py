"""The audio tracks of a file, numbered as a person counts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from arguments.errors import EGSTalkerError
from media.container import decodable, open_media

_DEFAULT = av.stream.Disposition.default


@dataclass(frozen=True)
class AudioTrack:
    """One audio track of a file."""

    number: int  # from 1 on
    codec: str
    channels: int
    language: str  # three letters; empty where the file does not say
    title: str
    is_default: bool  # flagged by whoever made the file
    can_be_decoded: bool

    def __str__(self) -> str:
        words = [self.codec, self.language, self.title, "default" if self.is_default else ""]
        return f"{self.number} ({', '.join(word for word in words if word)})"


def audio_tracks(path: Path | str) -> list[AudioTrack]:
    """The audio tracks of a file, in its order; none of a file that has pictures alone.

    Raises:
        EGSTalkerError: the file is missing or unreadable.
    """
    with open_media(path) as container:
        return [_described(number, stream) for number, stream in enumerate(container.streams.audio, 1)]


def audio_stream(container: Any, track: int | None = None) -> Any | None:
    """The stream of a track in an open file.

    Args:
        container: PyAV's.
        track: its number; None for the first one that can be decoded, of those with the default flag if there are any.

    Returns:
        PyAV's stream; None where there is none.

    Raises:
        EGSTalkerError: no track has this number, or it cannot be decoded.
    """
    streams = list(container.streams.audio)
    if track is None:
        return min(decodable(streams), key=lambda stream: not stream.disposition & _DEFAULT, default=None)
    if not 1 <= track <= len(streams):
        there = ", ".join(str(_described(number, stream)) for number, stream in enumerate(streams, 1))
        kinds = f"has {len(streams)} audio track{'s' * (len(streams) != 1)}: {there}" if streams else "has none"
        raise EGSTalkerError(f"{container.name} has no audio track {track}; it {kinds}")
    stream = streams[track - 1]
    if stream.codec_context is None:
        raise EGSTalkerError(
            f"audio track {track} of {container.name} has a codec that is not known here; take another"
        )
    return stream


def _described(number: int, stream: Any) -> AudioTrack:
    codec, known = stream.codec_context, stream.codec_context is not None
    return AudioTrack(
        number=number,
        codec=codec.name if known else "unknown codec",
        channels=codec.channels if known else 0,
        language=stream.metadata.get("language", "").replace("und", ""),
        title=stream.metadata.get("title", "").strip(),
        is_default=bool(stream.disposition & _DEFAULT),
        can_be_decoded=known,
    )
