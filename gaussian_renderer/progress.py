"""How far a long video is: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 15.0


def track(items: Iterable[T], total: int, title: str, stream: TextIO | None = None) -> Iterator[T]:
    """Pass ``items`` through and show how many of ``total`` have passed, on ``stream`` (stderr unless given)."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield from _plain_lines(items, total, title, stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=stream)) as progress:
        task = progress.add_task(title, total=total, rate="")
        begun = time.monotonic()
        for number, item in enumerate(items, 1):
            yield item
            rate = number / max(time.monotonic() - begun, 1e-9)
            progress.update(task, completed=number, rate=f"{rate:.1f} frames/s")


def _plain_lines(items: Iterable[T], total: int, title: str, stream: TextIO) -> Iterator[T]:
    begun = said = time.monotonic()
    number = 0
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= SECONDS_BETWEEN_LINES:
            said = now
            rate = number / max(now - begun, 1e-9)
            left = max(total - number, 0) / rate
            print(f"{title}: {number}/{total} frames, {rate:.1f} frames/s, {left:.0f} s left", file=stream, flush=True)
    seconds = time.monotonic() - begun
    print(f"{title}: {number} frames in {seconds:.1f} s", file=stream, flush=True)
