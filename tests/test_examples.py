"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "scene.attention", "scene.cameras", "scene.deformation", "scene.gaussian_model", "scene.head", "scene.kan",
    "scene.triplane", "gaussian_renderer.render", "synthesis.voices.text", "arguments.foreign_text",
    "live.access", "live.page.home", "live.page.views",
)  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_do_what_they_say(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0
