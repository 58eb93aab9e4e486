"""Whose fault a failure is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from arguments.errors import LESS_MEMORY
from fleet.failures import failure_of, failure_of_error
from fleet.manifest import INPUT, MACHINE


@pytest.mark.parametrize(
    ("code", "said", "kind", "why"),
    [
        (1, "error: no face in a.mp4; cut it", INPUT, "no face in a.mp4; cut it"),
        (1, "warning: x\nerror: first\nerror: a.mp4 has no audio\n", INPUT, "a.mp4 has no audio"),
        (2, "usage: x\nprocess.py: error: unrecognized arguments: --sice", INPUT, "unrecognized arguments: --sice"),
        (1, f"error: {LESS_MEMORY}", MACHINE, "out of memory"),
        (1, "error: the disk is full; free some space and run again", MACHINE, "disk is full"),
        (1, "error: [Errno 5] Input/output error: 'x'", MACHINE, "Input/output error"),
        (1, "error: a worker process was killed; free some memory and run again", MACHINE, "killed"),
        (1, "error: m is being written by another run (process 7)", MACHINE, "another run"),
        (1, "Traceback:\nValueError: seven", MACHINE, "ValueError: seven"),
        (1, "", MACHINE, "ended with code 1"),
        (3, "error: no face", MACHINE, "no face"),
        (-9, "error: no face", MACHINE, "SIGKILL"),
        (137, "", MACHINE, "SIGKILL"),
        (143, "", MACHINE, "SIGTERM"),
        (255, "", MACHINE, "signal 127"),
    ],
)
def test_a_program_that_speaks_of_its_input_is_believed(tmp_path: Path, code, said, kind, why):
    log = tmp_path / "log"
    log.write_text(f"== train\nerror: of an earlier try\n== train\n{said}\n")
    failure = failure_of(code, log)
    assert failure.kind == kind
    assert why in failure.why
    assert "\n" not in failure.why


def test_failing_disks_and_lost_machines_are_the_machines_fault():
    class WorkerCrashedError(Exception):
        """Named like Ray's."""

    assert failure_of_error(OSError(errno.ENOSPC, "x")).why == "the disk is full"
    gone = failure_of_error(WorkerCrashedError("long\ntalk"))
    assert (gone.why, gone.lost) == ("the worker died", True)
    other = failure_of_error(ValueError("first\nseven"))
    assert (other.kind, other.why) == (MACHINE, "seven")
