"""The sound of a WAV file that somebody else has made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from arguments.errors import EGSTalkerError

RATE = 48_000
"""Samples a second of what other voices say, whatever theirs are: nothing audible is lost."""


def wav_blocks(path: Path, maker: str) -> Iterator[np.ndarray]:
    """The sound of a WAV file at :data:`RATE`, in blocks: float32 [T] in -1..1, mono.

    Other formats are refused: some of them are lists of files and addresses to be opened.

    Args:
        path: of the file.
        maker: who made it, for the error.

    Raises:
        EGSTalkerError: it is no WAV file, damaged, or without sound.
    """
    from media.sound import iter_audio  # loads PyAV

    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        raise EGSTalkerError(f"{maker} gave no sound")
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise EGSTalkerError(f"what {maker} gave is no WAV file")
    is_silent = True
    try:
        for block in iter_audio(path, RATE):
            finite = np.nan_to_num(block, posinf=1.0, neginf=-1.0).clip(-1, 1)
            is_silent = is_silent and not finite.any()
            yield finite.astype(np.float32)
    except EGSTalkerError as error:
        raise EGSTalkerError(f"the WAV file that {maker} gave is damaged or holds no sound") from error
    if is_silent:
        raise EGSTalkerError(f"the WAV file that {maker} gave is silent")
