"""What the tests came to, from the file that pytest's ``--junitxml`` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from arguments.errors import EGSTalkerError
from benchmarks.figures import Figure


@dataclass(frozen=True)
class Outcome:
    """How many passed and were skipped, the names of those that failed, and how long all took.

    Attributes:
        failed: those with an error in their set-up or clean-up too.
        seconds: from begin to end.
    """

    passed: int
    failed: tuple[str, ...]
    skipped: int
    seconds: float

    def figures(self) -> list[Figure]:
        """The same as figures."""
        return [
            Figure("tests passed", self.passed, noise=0),
            Figure("tests failed", len(self.failed), better="lower", noise=0),
            Figure("tests skipped", self.skipped, noise=0),
            Figure("tests", self.seconds, "s", "lower"),
        ]


def read_outcome(path: Path) -> Outcome:
    """Of a JUnit file of pytest's.

    Raises:
        EGSTalkerError: there is none, or it is damaged or empty, as where the tests could not begin.
    """
    try:
        root = ElementTree.parse(path).getroot()
        seconds = sum(float(suite.get("time", 0)) for suite in root.iter("testsuite"))
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise EGSTalkerError(f"{path} is no report of tests: have they run? ({error})") from error
    results: dict[str, set[str]] = {}  # a test that fails in itself and in its clean-up is there twice
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        results.setdefault(name, set()).update(child.tag for child in case)
    failed = [name for name, said in results.items() if said & {"failure", "error"}]
    skipped = [name for name, said in results.items() if "skipped" in said and name not in failed]
    return Outcome(len(results) - len(failed) - len(skipped), tuple(failed), len(skipped), seconds)
