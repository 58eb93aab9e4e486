"""How far a task is: a bar with rate and time left on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_EVERY = 10.0  # seconds between plain lines


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a task of ``total`` frames (0: not known yet) on stderr; yields what takes numbers of frames finished."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total or None, desc=title, unit="frame", leave=False, file=sys.stderr) as bar:
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
            print(f"{title}: {count} of {total or '?'} frames, {rate:.0f} a second{left}", file=sys.stderr, flush=True)

    yield done
