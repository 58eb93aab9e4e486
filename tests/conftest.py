"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from jaxtyping import install_import_hook

from tests import shape_checks
from tests.tiny_video import write_video

install_import_hook(shape_checks.ROOMS, "tests.shape_checks.checked")
importlib.import_module("arguments")  # before torch: it says how OpenMP's threads wait

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a background shell ignores Ctrl-C, and so would what tests start

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def clips() -> Path:
    """Real recordings beside the checkout; the test is skipped where there are none."""
    folder = REPOSITORY.parent / "shared" / "clips"
    if not folder.is_dir():
        pytest.skip("no evaluation clips beside this checkout")
    return folder


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """``make_video(name, times, ...)``: see :func:`tests.tiny_video.write_video`."""
    return lambda name, times, **options: write_video(tmp_path / name, times, **options)
