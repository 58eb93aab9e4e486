"""What stands behind the person in a film: the clip's own room, a colour, a picture, another video, or nothing."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from media.images import read_rgb

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_ANSWERS = "clip, transparent, a colour such as '#00ff00', a picture or a video"


@dataclass(frozen=True)
class Background:
    """The clip's own room, unless one of the fields says otherwise."""

    colour: tuple[int, int, int] | None = None
    """RGB, 0..255."""
    path: Path | None = None
    """A picture, or a video that begins again where it ends; either fills the frame, and what sticks out is cut off."""
    is_transparent: bool = False

    @classmethod
    def of(cls, words: str) -> Background:
        """What a user asks for: ``clip``, ``transparent``, ``#rrggbb`` or a file's path.

        Raises:
            EGSTalkerError: it is none of these.

        Example:
            >>> Background.of("#00ff00").colour
            (0, 255, 0)
            >>> Background.of("clip") == Background(), Background.of("transparent").is_transparent
            (True, True)
        """
        if words in ("clip", "transparent"):
            return cls(is_transparent=words == "transparent")
        if _COLOUR.fullmatch(words):
            red, green, blue = bytes.fromhex(words[1:])
            return cls(colour=(red, green, blue))
        path = Path(words)
        if not path.is_file():
            raise EGSTalkerError(f"there is no background {words!r}; --background takes {_ANSWERS}")
        return cls(path=path)

    @property
    def is_video(self) -> bool:
        """Whether it moves."""
        return self.path is not None and self.path.suffix.lower() not in PICTURES

    def pictures(self, width: int, height: int) -> Iterator[UInt8[np.ndarray, "H W 3"] | None]:
        """One for each frame of a film, without end; None where it is not in the way of the clip's own.

        Args:
            width: of the film, pixels.
            height: of the film, pixels.

        Raises:
            EGSTalkerError: the picture or video cannot be read.
        """
        if self.colour is not None:
            return itertools.repeat(np.full((height, width, 3), self.colour, np.uint8))
        if self.path is None:
            return itertools.repeat(None)
        if self.is_video:
            return _looped(self.path, width, height)
        return itertools.repeat(filling(_picture(self.path), width, height))


CLIP = Background()
"""The clip's own room."""


def filling(picture: UInt8[np.ndarray, "h w 3"], width: int, height: int) -> UInt8[np.ndarray, "{height} {width} 3"]:
    """A picture as large as it must be to fill a frame, its middle."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = (
        max(width, math.floor(picture.shape[1] * scale + 0.5)),
        max(height, math.floor(picture.shape[0] * scale + 0.5)),
    )
    if size != picture.shape[1::-1]:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def _picture(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    try:
        return read_rgb(path)
    except EGSTalkerError as error:
        raise EGSTalkerError(f"the background {path} is no picture that can be read; take another") from error


def _looped(path: Path, width: int, height: int) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    from media.video import probe, read_frames  # loads PyAV, which the other backgrounds do without

    count = max(1, math.floor(probe(path).seconds * FPS))
    while True:
        for picture in read_frames(path, count):
            yield filling(picture, width, height)
