"""The environment variables that a program of the checkout starts another with."""

from __future__ import annotations

import os
from pathlib import Path


def program_environment(root: str | Path) -> dict[str, str]:
    """This program's own, but for what is told of another: where its modules are, how it prints, its log.

    Args:
        root: the checkout, whose modules are found before those of PYTHONPATH.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    others = os.environ.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), others)))
    environment.pop("TRAINING_LOG", None)
    return environment
