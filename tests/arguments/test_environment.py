"""Programs that others of the checkout start find its modules and the user's."""

from __future__ import annotations

import subprocess
import sys

from arguments.environment import program_environment


def test_the_checkout_is_found_first_and_the_users_modules_after_it(tmp_path, monkeypatch, repository):
    for folder, name in (("mine", "arguments"), ("mine", "of_a_cluster")):
        (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / name / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))
    program = "import arguments, of_a_cluster; print(arguments.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=program_environment(repository),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith(str(repository))


def test_without_a_pythonpath_the_working_directory_is_not_added_to_it(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert program_environment("/code")["PYTHONPATH"] == "/code"
    monkeypatch.setenv("PYTHONPATH", "")
    assert program_environment("/code")["PYTHONPATH"] == "/code"


def test_a_program_has_a_log_of_its_own(monkeypatch):
    monkeypatch.setenv("TRAINING_LOG", "/tmp/log")
    environment = program_environment("/code")
    assert "TRAINING_LOG" not in environment and environment["PYTHONUNBUFFERED"] == "1"
