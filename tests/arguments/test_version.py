"""One version, wherever it is written."""

from __future__ import annotations

import re
from pathlib import Path

from arguments.version import VERSION


def test_the_package_and_the_program_say_the_same_version(repository: Path) -> None:
    project = (repository / "pyproject.toml").read_text().split("\n[", 1)[0]
    assert re.findall(r'^version = "(.+)"$', project, re.MULTILINE) == [VERSION]
