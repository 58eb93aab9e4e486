"""What a person's clip lends a head that speaks, whether it is a dataset or what a model has kept of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from scene.cameras import Camera


class Behind(Protocol):
    """What is behind the head."""

    @property
    def background(self) -> UInt8[np.ndarray, "H W 3"]:
        """The clean background alone."""

    def __getitem__(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        """The torso of a frame over it."""

    def compose(self, i: int, behind: UInt8[np.ndarray, "H W 3"] | None = None) -> UInt8[np.ndarray, "H W 3"]:
        """The same, made now, or over another background."""

    def torso(self, i: int) -> UInt8[np.ndarray, "H W 4"]:
        """The torso of a frame alone, as the dataset has it."""

    def cut_out(self, i: int) -> UInt8[np.ndarray, "H W 4"]:
        """The same for other backgrounds."""


class Clip:
    """N frames of one person.

    Attributes:
        root: where it lies, for messages.
        num_frames: N.
        train, val: the frames that heads learn from, and the held-out ones after them.
        lost: frames in which the person was not seen.
        cuts: frames at which a new shot begins.
        eyes: blink intensity [N], 0 (open) to 1.
        camera: N views of the whole picture; lengths in decimetres.
        width, height: of the pictures, pixels.
        backdrops: what is behind the head.
        extractor: of the audio features; None where it is not known.
        feature_shape: of one frame's audio features.
    """

    root: Path
    num_frames: int
    train: range
    val: range
    lost: frozenset[int]
    cuts: frozenset[int]
    eyes: Float[Tensor, "N"]
    camera: Camera
    width: int
    height: int
    backdrops: Behind
    extractor: str | None
    feature_shape: tuple[int, ...]

    def usable(self, frames: Iterable[int]) -> list[int]:
        """Those of ``frames`` in which the person was seen; all of them where she was in none."""
        frames = list(frames)
        return [i for i in frames if i not in self.lost] or frames

    def usable_mask(self, frames: Iterable[int]) -> Bool[np.ndarray, "N"]:
        """Whether each of the clip's frames is among the :meth:`usable` of ``frames``."""
        mask = np.zeros(self.num_frames, dtype=bool)
        mask[self.usable(frames)] = True
        return mask

    def voice(self) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
        """How much speech there is in each frame, 0..1, and how loud it is (:func:`data_utils.voice.loudness`)."""
        raise NotImplementedError
