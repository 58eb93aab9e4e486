"""The version that results record."""

from __future__ import annotations

import re

from arguments.version import VERSION


def test_the_version_is_the_packages(repository):
    found = re.search(r'^version = "(.+)"$', (repository / "pyproject.toml").read_text(), re.MULTILINE)
    assert found and found[1] == VERSION
