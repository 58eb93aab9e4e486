"""benchmarks/junit.py: pytest's own report is read."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from arguments.errors import EGSTalkerError
from benchmarks.junit import Outcome, read_outcome

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="2" failures="1" skipped="1" tests="6" time="1.25">
<testcase classname="tests.a.test_b" name="test_fine" time="0.1" />
<testcase classname="tests.a.test_c" name="test_fine" time="0.1"><properties /></testcase>
<testcase classname="tests.a.test_b" name="test_wrong[1]" time="0.1"><failure message="assert">why</failure></testcase>
<testcase classname="tests.a.test_b" name="test_wrong[1]" time="0.1"><error message="clean-up">why</error></testcase>
<testcase classname="" name="tests.broken" time="0.0"><error message="collection failure">why</error></testcase>
<testcase classname="tests.a.test_b" name="test_gpu" time="0.0"><skipped message="no GPU">where</skipped></testcase>
</testsuite></testsuites>
"""


def test_passed_failed_and_skipped_are_counted(tmp_path):
    (tmp_path / "junit.xml").write_text(REPORT)
    outcome = read_outcome(tmp_path / "junit.xml")
    assert outcome == Outcome(2, ("tests.a.test_b::test_wrong[1]", "::tests.broken"), 1, 1.25)
    assert [(figure.name, figure.value, figure.noise) for figure in outcome.figures()] == [
        *[("tests passed", 2, 0), ("tests failed", 2, 0), ("tests skipped", 1, 0), ("tests", 1.25, None)],
    ]


def test_what_pytest_writes_is_understood(tmp_path):
    text = "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip()\n"
    (tmp_path / "test_three.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "--junitxml=junit.xml"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run([*command, "test_three.py"], cwd=tmp_path, env=environment, capture_output=True, check=False)
    outcome = read_outcome(tmp_path / "junit.xml")
    assert (outcome.passed, outcome.failed, outcome.skipped) == (1, ("test_three::test_b",), 1) and outcome.seconds > 0


@pytest.mark.parametrize("text", [None, "", "<testsuites", '<testsuite time="soon" />'])
def test_no_report_or_a_damaged_one_is_one_line(tmp_path, text):
    if text is not None:
        (tmp_path / "junit.xml").write_text(text)
    with pytest.raises(EGSTalkerError, match="is no report of tests: have they run"):
        read_outcome(tmp_path / "junit.xml")
