"""Which files are videos, what heads made of them are called, and what tells one video from another."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from arguments.errors import EGSTalkerError

VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"),
    *(".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv", ".mxf"),
)  # endings by which a folder's videos are known
ENDS = 1 << 20  # bytes at each end of a video that tell it from others


def videos_in(paths: Sequence[Path]) -> list[Path]:
    """The videos among files and folders: a folder's by their endings, a file whatever it is called.

    Raises:
        EGSTalkerError: something is not there, or there is no video at all.
    """
    videos: list[Path] = []
    for path in paths:
        if path.is_dir():
            videos += sorted(one for one in path.iterdir() if one.suffix.lower() in VIDEOS and one.is_file())
        elif path.is_file():
            videos.append(path)
        else:
            raise EGSTalkerError(f"{path} does not exist; give videos, or folders of them")
    if not videos:
        raise EGSTalkerError(
            f"there is no video in {', '.join(map(str, paths))}; their names end in .mp4, .mov and such"
        )
    return list(dict.fromkeys(path.absolute() for path in videos))


def safe_name(stem: str, taken: set[str], nameless: str = "head") -> str:
    """A name for files on any system, like ``stem`` and none of ``taken`` (in small letters); like ``nameless`` where
    nothing of it can be kept."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")[:64].rstrip("._-") or nameless
    numbered = (name if n == 1 else f"{name}-{n}" for n in range(1, len(taken) + 2))
    return next(one for one in numbered if one.lower() not in taken)


def digest_of(video: Path) -> str:
    """What tells a video from others: SHA-256 of its size and both ends, as whole ones are large.

    Raises:
        EGSTalkerError: it cannot be read.
    """
    try:
        size = video.stat().st_size
        with video.open("rb") as file:
            first = file.read(ENDS)
            file.seek(max(0, size - ENDS))
            last = file.read(ENDS)
    except OSError as error:
        raise EGSTalkerError(f"{video} cannot be read: {error.strerror}") from error
    return hashlib.sha256(b"%d " % size + first + last).hexdigest()
