"""How far a long task is: a bar with rate and time left on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

T = TypeVar("T")
PLAIN_EVERY = 10.0  # seconds between plain lines


@contextmanager
def progress(
    title: str, total: int, stream: TextIO | None = None, *, unit: str = "frame"
) -> Iterator[Callable[[int], None]]:
    """Show a task of ``total`` frames, or another unit (0: not known yet), on ``stream`` (stderr unless given).

    Yields what takes numbers of units finished.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty():
        from tqdm import tqdm

        with tqdm(total=total or None, desc=title, unit=unit, leave=False, file=stream) as bar:
            yield lambda frames: bar.update(frames) and None
        return
    begin = shown = time.monotonic()
    count = 0

    def done(frames: int) -> None:
        nonlocal count, shown
        count += frames
        now = time.monotonic()
        if now - shown >= PLAIN_EVERY:
            shown, rate = now, count / (now - begin)
            left = f", {(total - count) / rate:.0f} s left" if total > count else ""
            print(f"{title}: {count} of {total or '?'} {unit}s, {rate:.0f} a second{left}", file=stream, flush=True)

    yield done


def track(items: Iterable[T], total: int, title: str, stream: TextIO | None = None) -> Iterator[T]:
    """Pass ``items`` through, showing how many of ``total`` have passed; says how long it took when all have."""
    stream = sys.stderr if stream is None else stream
    begin = time.monotonic()
    with progress(title, total, stream) as done:
        for item in items:
            yield item
            done(1)
    seconds = time.monotonic() - begin
    rate = total / max(seconds, 1e-9)
    print(f"{title}: {total} frames in {seconds:.1f} s ({rate:.0f} a second)", file=stream, flush=True)
