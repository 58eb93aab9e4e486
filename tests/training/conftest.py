"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tiny_head import quick_speech_models


@pytest.fixture(scope="module", autouse=True)
def _quick_speech_models() -> Iterator[None]:
    with quick_speech_models():
        yield
