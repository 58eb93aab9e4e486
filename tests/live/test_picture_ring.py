"""Pictures between processes: whole, or not there."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from live.picture_ring import SLOTS, PictureRing


def _read(name: str, number: int, queue) -> None:
    ring = PictureRing.attach(name, 48)
    queue.put(ring.read(number, (4, 4, 3)))
    ring.forget()
    ring.forget()
    ring.close()


def test_another_process_reads_what_was_written_and_nobody_else_finds_it() -> None:
    ring = PictureRing.create(48)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8)
    numbers = [ring.write(picture) for picture in pictures]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_read, args=(ring.name, numbers[1], queue))
    process.start()
    np.testing.assert_array_equal(queue.get(timeout=60), pictures[1])
    process.join()
    with pytest.raises(FileNotFoundError):
        PictureRing.attach(ring.name, 48)
    assert not Path("/dev/shm", ring.name.lstrip("/")).exists()
    ring.close()


def test_one_that_has_waited_for_too_long_is_not_there() -> None:
    ring = PictureRing.create(12)
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    first = ring.write(picture)
    for k in range(SLOTS - 1):
        ring.write(picture + np.uint8(k))
    np.testing.assert_array_equal(ring.read(first, (2, 2, 3)), picture)
    ring.write(picture)
    assert ring.read(first, (2, 2, 3)) is None
    ring.forget()
    ring.close()
