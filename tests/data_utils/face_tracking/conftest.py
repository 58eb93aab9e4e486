"""The made-up head, once for all tests."""

from __future__ import annotations

import pytest

from tests.data_utils.face_tracking.made_up_head import Scene, make_scene


@pytest.fixture(scope="session")
def scene() -> Scene:
    return make_scene()
