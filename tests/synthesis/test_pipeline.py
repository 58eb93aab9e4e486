"""Stages that overlap."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from synthesis.pipeline import ahead


def test_items_come_in_order():
    assert list(ahead(range(100), 3)) == list(range(100))
    assert list(ahead([], 3)) == []


def test_items_are_made_while_others_are_used():
    made: list[int] = []

    def source() -> Iterator[int]:
        for i in range(10):
            made.append(i)
            yield i

    items = ahead(source(), 2)
    assert next(items) == 0
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]  # one used, two waiting, one that finds no place


def test_what_is_raised_comes_after_the_items_before_it():
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("three")

    items = ahead(source(), 5)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="three"):
        next(items)


def test_who_stops_early_stops_the_source():
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    items = ahead(source(), 2)
    assert next(items) == 1
    items.close()
    assert closed.is_set()
    assert threading.active_count() == before


def test_the_thread_computes_on_the_gpu_that_its_maker_chose(monkeypatch):
    chosen: list[tuple[str, int]] = []
    monkeypatch.setattr("synthesis.pipeline.current_gpu", lambda: "cuda:1")
    monkeypatch.setattr("synthesis.pipeline.make_current", lambda name: chosen.append((name, threading.get_ident())))
    threads = list(ahead((threading.get_ident() for _ in range(3)), 1))
    assert chosen == [("cuda:1", threads[0])] and threads[0] != threading.get_ident()
