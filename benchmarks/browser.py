"""The browser that pages are measured and tested in."""

from __future__ import annotations

import shutil

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_program() -> str | None:
    """Path of a Chromium; None where none is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)
