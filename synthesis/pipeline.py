"""Stages of a video's making that overlap: each runs ahead of the next by a few items, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

from arguments.device import current_gpu, make_current

T = TypeVar("T")

_END = object()
_PATIENCE = 0.1  # seconds between looks at whether anybody still waits for the items


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Yield ``items`` in order while a thread makes up to ``depth`` more of them.

    Compiled kernels, decoders and encoders release Python's lock, so the stages do run at once. What ``items`` raises
    is raised here, after the items before it. Where the consumer stops early, so does the thread, and generators are
    closed. The GPU that is current here is so in the thread.
    """
    waiting: queue.Queue[Any] = queue.Queue(depth)
    abandoned = threading.Event()
    worker = threading.Thread(target=_fill, args=(items, waiting, abandoned, current_gpu()), daemon=True)
    worker.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
            del item  # not kept alive while the next one is awaited
    finally:
        abandoned.set()
        worker.join()


def _fill(items: Iterable[Any], waiting: queue.Queue[Any], abandoned: threading.Event, gpu: str | None) -> None:
    """Put ``items`` into the queue as (item, None), then the end or what was raised."""
    iterator = iter(items)
    try:
        if gpu is not None:  # threads begin with the first one
            make_current(gpu)
        for item in iterator:
            if not put(waiting, (item, None), abandoned):
                return
            del item
        put(waiting, (_END, None), abandoned)
    except BaseException as error:  # whatever it is, it is the consumer's to handle
        put(waiting, (None, error), abandoned)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def put(waiting: queue.Queue[Any], entry: Any, abandoned: threading.Event) -> bool:
    """Wait until the entry finds a place.

    Args:
        waiting: a queue that another thread takes from.
        entry: what is put there.
        abandoned: says that nobody takes any more.

    Returns:
        Whether it found one before the consumer left.
    """
    while not abandoned.is_set():
        try:
            waiting.put(entry, timeout=_PATIENCE)
            return True
        except queue.Full:
            continue
    return False
