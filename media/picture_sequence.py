"""Frames as numbered PNG files, as video editors import them, and their sound beside them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np

from arguments.atomic import staged_folder
from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from media.images import write_image
from media.sound import write_wav

SOUND = "sound.wav"
_OWN = re.compile(r"\d{5,}\.png")


class PictureSequence:
    """A folder of ``00000.png``, ``00001.png``, ... and ``sound.wav``, that appears whole or not at all.

    A folder that stands there already is replaced if it holds such files and nothing else.

    Args:
        target: the folder.
        audio: mono float32 samples in blocks, trimmed or padded with silence to the pictures' length; None: no sound.
        audio_rate: samples a second.
    """

    def __init__(self, target: Path, *, audio: Iterable[np.ndarray] | None, audio_rate: int) -> None:
        self._target, self._audio, self._rate, self._count = target, audio, audio_rate, 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> PictureSequence:
        if self._target.exists() and not (self._target.is_dir() and all(map(_is_own, self._target.iterdir()))):
            raise EGSTalkerError(f"{self._target} holds other files than a film's pictures; move it, or choose another")
        self._folder = self._stack.enter_context(staged_folder(self._target))
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append one frame: uint8 [H, W, 3] RGB, or [H, W, 4] RGBA."""
        write_image(self._folder / f"{self._count:05d}.png", frame)
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if error is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            if self._audio is not None:
                write_wav(self._folder / SOUND, _first(self._audio, round(self._count * self._rate / FPS)), self._rate)
        return None


def _is_own(path: Path) -> bool:
    return path.name == SOUND or _OWN.fullmatch(path.name) is not None


def _first(blocks: Iterable[np.ndarray], count: int) -> np.ndarray:
    """The first ``count`` samples, and silence where there are fewer."""
    samples, held = np.zeros(count, np.float32), 0
    for block in blocks:
        part = np.asarray(block, np.float32)[: count - held]
        samples[held : held + len(part)] = part
        held += len(part)
        if held == count:
            break
    return samples
