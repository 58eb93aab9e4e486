"""A short sample video, for tests of what reads real videos."""

from __future__ import annotations

from pathlib import Path

from tests.once import once

SECONDS, SIZE = 2.4, 192


def make_talking_head(folder: Path) -> Path:
    """The video, made in ``folder`` if need be; its truth lies beside it."""
    from sample import make_sample

    path = folder / "talking" / "head.mp4"
    path.parent.mkdir(exist_ok=True)
    return once(path, lambda: make_sample(path, SECONDS, SIZE))
