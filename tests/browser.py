"""A real browser for tests of pages, where one is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, sync_playwright

from benchmarks.browser import PROGRAMS, browser_program

FLAGS = ("--no-sandbox", "--enable-unsafe-swiftshader", "--autoplay-policy=no-user-gesture-required")


@contextmanager
def browser_page(*flags: str) -> Iterator[Page]:
    """An empty page of Chromium, 900 x 700; what goes wrong in it fails the test. ``flags``: beside the usual ones.

    A test is skipped where Chromium is missing.
    """
    program = browser_program()
    if program is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed")
    troubles: list[Error] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.on("pageerror", lambda trouble: troubles.append(trouble))
        yield page
        browser.close()
    assert not troubles, troubles


def opened(page: Page, path: Path) -> list[str]:
    """Open a file; returns the addresses of all that is asked for from then on, but what the page holds itself."""
    return opened_at(page, path.as_uri())


def opened_at(page: Page, address: str) -> list[str]:
    """:func:`opened` of an address."""
    asked: list[str] = []
    page.on(
        "request", lambda request: None if request.url.startswith(("data:", "blob:")) else asked.append(request.url)
    )
    page.goto(address)
    return asked
