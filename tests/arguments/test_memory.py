"""arguments/memory.py: what is freed and asked for again costs no new pages, and a user's own setting wins."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from arguments.memory import keep_memory

PAGES = """
import ctypes, os, resource
import arguments
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def step():  # pictures and feature maps, 96 MB
    pieces = [c.malloc(size << 20) for size in (3, 6, 12, 3, 24, 24, 24)]
    for piece, size in zip(pieces, (3, 6, 12, 3, 24, 24, 24)):
        ctypes.memset(piece, 1, size << 20)
    for piece in reversed(pieces):
        c.free(piece)
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() >> 20)
"""
GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc is another library's")


def new_megabytes(repository, **environment: str) -> int:
    """Of pages that the system hands out in five steps after the first."""
    there = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PAGES]
    run = subprocess.run(command, cwd=repository, env={**there, **environment}, capture_output=True, check=True)
    return int(run.stdout)


@GLIBC
def test_what_is_freed_is_kept_for_what_is_asked_for_next(repository):
    assert new_megabytes(repository) < 10
    assert new_megabytes(repository, MALLOC_TRIM_THRESHOLD_="131072") > 400  # 5 x 96: a user's own bound


@GLIBC
@pytest.mark.parametrize(("name", "value"), [("MALLOC_ARENA_MAX", "2"), ("GLIBC_TUNABLES", "glibc.malloc.check=0")])
def test_a_users_own_setting_wins(monkeypatch, name, value):
    for other in [one for one in os.environ if one.startswith(("MALLOC_", "GLIBC_"))]:
        monkeypatch.delenv(other)
    assert keep_memory()
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.cpu.x86_shstk=off")
    assert keep_memory()
    monkeypatch.setenv(name, value)
    assert not keep_memory()


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_where_malloc_is_anothers_nothing_happens(monkeypatch, error):
    def load(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert not keep_memory()
