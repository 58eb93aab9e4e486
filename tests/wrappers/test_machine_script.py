"""benchmarks/machine.sh: the tests, whatever comes of them, then the measuring."""

from __future__ import annotations

import shlex
import shutil

import pytest

# A Python whose environment's Python says what it is asked to test and measure.
PROBE = """#!/usr/bin/env bash
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  -) cat >/dev/null; echo fits ;;
  "-m pytest"*)
    printf 'tests\\t%s\\t%s\\n' "$*" "$PYTEST_ADDOPTS" >>"@LOG@"
    echo "what pytest says"
    exit "${PYTEST_EXIT:-0}" ;;
  "-m benchmarks.machine"*)
    printf 'machine\\t%s\\t%s\\n' "$(printf '%q ' "$@")" "$PYTHONPATH" >>"@LOG@"
    [ -e "$4" ] || exit 9
    echo "the table"
    exit "${MACHINE_EXIT:-0}" ;;
esac
"""


@pytest.fixture
def machine(checkout, tmp_path, repository):
    """The checkout with the script and its temporary files in a folder with a space."""
    (checkout.root / "benchmarks").mkdir()
    shutil.copy(repository / "benchmarks/machine.sh", checkout.root / "benchmarks")
    checkout.program("python3", PROBE.replace("@LOG@", str(checkout.bin / "calls.log")))
    (tmp_path / "temporary files").mkdir()
    checkout.environment["TMPDIR"] = str(tmp_path / "temporary files")
    return checkout


def test_what_the_tests_report_is_measured_with_and_the_table_is_all_of_standard_output(machine, tmp_path):
    result = machine.run(
        "benchmarks/machine.sh", "--strict", "-s", "a set", cwd=tmp_path, PYTEST_ADDOPTS="-x", PYTHONPATH="/mine"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "the table\n" and "what pytest says" in result.stderr
    (_, tested, options), (_, measured, path) = (line.split("\t") for line in machine.lines("calls.log"))
    first, report = shlex.split(options)
    words = shlex.split(measured)
    assert "--numprocesses=auto" in tested and " gpu" not in tested
    assert first == "-x" and report == f"--junitxml={words[3]}"
    assert words[:3] == ["-m", "benchmarks.machine", "--tests"] and words[4:] == ["--strict", "-s", "a set"]
    assert path == f"{machine.root}:/mine"
    assert not list((tmp_path / "temporary files").iterdir())


def test_with_a_gpu_its_tests_are_run(machine):
    machine.gpu()
    assert machine.run("benchmarks/machine.sh").returncode == 0
    assert machine.lines("calls.log")[0].split("\t")[1].endswith("-m gpu")


def test_after_tests_that_fail_all_is_measured_and_it_ends_with_an_error(machine):
    result = machine.run("benchmarks/machine.sh", PYTEST_EXIT="3")
    assert result.returncode == 3 and result.stdout == "the table\n"


def test_the_exit_code_of_the_measuring_passes(machine, tmp_path):
    assert machine.run("benchmarks/machine.sh", MACHINE_EXIT="4").returncode == 4
    assert not list((tmp_path / "temporary files").iterdir())


def test_help_needs_nothing(machine):
    (machine.bin / "python3").unlink()
    for asked in ("-h", "--help"):
        result = machine.run("benchmarks/machine.sh", asked)
        assert result.returncode == 0 and "Usage: benchmarks/machine.sh" in result.stdout and not result.stderr
