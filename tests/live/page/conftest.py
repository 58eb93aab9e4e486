"""A home of the page in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from live.page.home import Home
from live.page.jobs import Line


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home; what still runs in it when the test ends is killed."""
    home = Home(tmp_path / "home")
    home.make()
    yield home
    line = Line(home.jobs)
    for job in line.waiting():
        line.stop(job.number)
    for job in line.all():
        for process in (job.runner, job.command):
            if process is not None and process.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
