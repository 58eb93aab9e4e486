"""The project's own commands, as benchmarks run them, and configurations for them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arguments.errors import EGSTalkerError
from arguments.foreign_text import last_words
from arguments.settings import load_config

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Run one of the project's commands, shown as it is typed; raises EGSTalkerError where it fails.

    Args:
        command: its words, after python; what it prints goes to standard error.
        environment: variables that it has beside those of this program.
    """
    words = [str(word) for word in command]
    print("$ python " + " ".join(words), file=sys.stderr, flush=True)
    there = {**os.environ, **(environment or {})}
    if subprocess.run([sys.executable, *words], cwd=ROOT, env=there, stdout=2).returncode:
        raise EGSTalkerError(f"python {' '.join(words)} failed; what it said is above")


def last_line(said: bytes) -> str:
    """Why a program failed: the last line of what it has said."""
    return last_words(said) or "it said nothing"


def configuration(configs: Path, **changed: Any) -> str:
    """A configuration file of the same settings, but for some of how it is trained."""
    model, settings = load_config(configs)
    settings = dataclasses.replace(settings, **changed)
    return f"ModelSettings = {dataclasses.asdict(model)!r}\nTrainingSettings = {dataclasses.asdict(settings)!r}\n"
