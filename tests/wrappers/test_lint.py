"""The shell scripts and the Dockerfile by their linters, where those are installed (.ci/run installs them)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def _program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed: .ci/run installs it")
    return found


def test_the_shell_scripts_are_clean(repository):
    scripts = [*repository.glob("*.sh"), *repository.glob("[!.]*/*.sh"), repository / ".ci/run"]
    command = [_program("shellcheck"), "--external-sources", *map(str, scripts)]
    answer = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_the_dockerfiles_are_clean(repository):
    command = [_program("hadolint"), "Dockerfile", "tests/container/cuda118.Dockerfile"]
    answer = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
