"""benchmarks/busy_machine.py: a command is run beside busy programs, with either wait of its threads."""

from __future__ import annotations

import os

import pytest

from arguments.errors import EGSTalkerError
from arguments.threads import WAIT
from benchmarks.busy_machine import LIBRARYS_OWN, measure, neighbours, seconds_of


def test_a_row_for_each_number_of_neighbours(tmp_path):
    note = tmp_path / "waits"
    code = f"import os; open({str(note)!r}, 'a').write(os.environ['GOMP_SPINCOUNT'] + ' ')"
    rows = measure(["-c", code], [0, 1], repeats=2)
    assert [row["neighbours"] for row in rows] == [0, 1] and all(row["bounded"] > 0 < row["library"] for row in rows)
    assert note.read_text().split() == [WAIT["GOMP_SPINCOUNT"], LIBRARYS_OWN["GOMP_SPINCOUNT"]] * 4


def test_neighbours_are_gone_afterwards(monkeypatch):
    started = []
    monkeypatch.setattr("benchmarks.busy_machine.BUSY", "import time; time.sleep(60)")
    import subprocess

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
    with neighbours(2):
        assert all(program.poll() is None for program in started) and len(started) == 2
    assert all(program.poll() is not None for program in started)


def test_each_run_has_an_empty_folder_and_a_failure_is_one_line():
    assert seconds_of(["-c", "import os, sys; sys.exit(os.listdir(sys.argv[1]) != [])", "{work}"], dict(os.environ)) > 0
    with pytest.raises(EGSTalkerError, match="failed: no such thing"):
        seconds_of(["-c", "import sys; sys.exit('no such thing')"], {})
