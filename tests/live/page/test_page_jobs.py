"""Jobs of the page: they outlive who started them, wait in line, stop, go on, and are not taken for others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from live.page.job import DONE, FAILED, HALFWAY, RUNNING, STOPPED, WAITING, Job, Step, read_job
from live.page.jobs import Line
from live.page.processes import Process

ROOT = Path(__file__).resolve().parents[3]
# Counts in a file as a training does: goes on from where it was, and stops on SIGTERM between two steps.
COUNTING = """
import signal, sys, time
from pathlib import Path
path, wanted = Path(sys.argv[1]), int(sys.argv[2])
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
count = int(path.read_text()) if path.exists() else 0
while count < wanted:
    count += 1
    path.write_text(str(count))
    print(f"counting: {count} of {wanted} frames, 10 a second", flush=True)
    if asked:
        sys.exit(143)
    time.sleep(0.05)
"""


def counting(path: Path, wanted: int, name: str = "count") -> Step:
    return Step(name, (sys.executable, "-c", COUNTING, str(path), str(wanted)))


def saying(words: str, code: int = 0) -> Step:
    return Step("say", (sys.executable, "-c", f"import sys; print({words!r}); sys.exit({code})"))


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def count_in(path: Path) -> int:
    text = path.read_text() if path.exists() else ""
    return int(text or 0)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "jobs")
    yield line
    for job in line.all():
        if job.state == WAITING:
            line.stop(job.number)
    for job in line.all():
        for process in (job.runner, job.command):
            if process is not None and process.alive:
                os.kill(process.pid, signal.SIGKILL)


def state(line: Line, job: Job) -> str:
    return line.find(job.number).now


def test_a_job_runs_its_commands_in_order_and_says_how_long_they_took(line: Line, tmp_path: Path):
    job = line.add("head", "anna", [counting(tmp_path / "n", 3), saying("all done")], stages=str(tmp_path / "s.json"))
    until(lambda: state(line, job) == DONE)
    job = line.find(job.number)
    text = job.log.read_text()
    assert text.index("3 of 3 frames") < text.index("all done")
    assert json.loads((tmp_path / "s.json").read_text()) == job.seconds
    assert set(job.seconds or {}) == {"count", "say"}


def test_a_job_outlives_the_process_that_asked_for_it_and_is_found_again(line: Line, tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from live.page.job import Step; from live.page.jobs import Line\n"
        f"Line(Path({str(line.folder)!r})).add('head', 'anna', "
        f"[Step('count', (sys.executable, '-c', {COUNTING!r}, {str(tmp_path / 'n')!r}, '40'))])"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    (job,) = line.all()
    assert job.now == RUNNING
    before = count_in(tmp_path / "n")
    until(lambda: count_in(tmp_path / "n") > before)
    until(lambda: state(line, job) == DONE)
    assert count_in(tmp_path / "n") == 40


def test_a_job_stops_as_its_command_does_and_goes_on_where_it_was(line: Line, tmp_path: Path):
    job = line.add("head", "anna", [counting(tmp_path / "n", 60), saying("all done")])
    until(lambda: count_in(tmp_path / "n") >= 3)
    line.stop(job.number)
    until(lambda: state(line, job) == STOPPED)
    stopped_at = count_in(tmp_path / "n")
    assert 3 <= stopped_at < 60
    assert line.find(job.number).command is None
    line.go_on(job.number)
    until(lambda: state(line, job) == DONE)
    counts = [line for line in job.log.read_text().splitlines() if line.startswith("counting")]
    assert len(counts) == 60  # none was done twice
    assert "all done" in job.log.read_text()


def test_one_long_job_runs_at_a_time_and_the_next_begins_without_a_server(line: Line, tmp_path: Path):
    first = line.add("head", "a", [counting(tmp_path / "a", 20)])
    second = line.add("head", "b", [counting(tmp_path / "b", 2)])
    third = line.add("head", "c", [counting(tmp_path / "c", 2)])
    short = line.add("clip", "0001", [saying("looked at")], lane="short")
    assert (state(line, second), state(line, third)) == (WAITING, WAITING)
    assert [job.number for job in line.waiting()] == [second.number, third.number]
    until(lambda: state(line, short) == DONE)
    assert state(line, first) == RUNNING
    line.stop(third.number)
    until(lambda: state(line, second) == DONE)  # nobody but the first job's own process let it begin
    assert state(line, first) == DONE
    assert state(line, third) == STOPPED
    assert not (tmp_path / "c").exists()


def test_a_failed_command_ends_the_job_with_its_line(line: Line, tmp_path: Path):
    job = line.add("head", "anna", [saying("error: the face is away; film again", 1), counting(tmp_path / "n", 3)])
    until(lambda: state(line, job) == FAILED)
    assert line.find(job.number).error == "the face is away; film again"
    assert not (tmp_path / "n").exists()


def test_a_command_that_cannot_be_started_or_says_nothing_fails_in_words(line: Line):
    missing = line.add("film", "anna", [Step("predict", ("/no/such/program",))])
    until(lambda: state(line, missing) == FAILED)
    assert "No such file" in line.find(missing.number).error
    silent = line.add("film", "anna", [Step("predict", (sys.executable, "-c", "raise SystemExit(7)"))])
    until(lambda: state(line, silent) == FAILED)
    assert "code 7" in line.find(silent.number).error


def test_a_killed_machine_leaves_a_job_half_way_and_it_goes_on(line: Line, tmp_path: Path):
    job = line.add("head", "anna", [counting(tmp_path / "n", 50)])
    waiting = line.add("head", "b", [saying("b")])
    until(lambda: count_in(tmp_path / "n") >= 2)
    job = line.find(job.number)
    assert job.runner is not None
    assert job.command is not None
    for process in (job.runner, job.command):
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: state(line, job) == HALFWAY)
    assert read_job(job.folder).state == RUNNING  # as its record still says
    Line(line.folder).advance()  # the server comes back
    until(lambda: state(line, waiting) == DONE)
    line.go_on(job.number)
    until(lambda: state(line, job) == DONE)
    assert count_in(tmp_path / "n") == 50


def test_a_command_whose_runner_was_killed_still_counts_and_can_be_stopped(line: Line, tmp_path: Path):
    job = line.add("head", "anna", [counting(tmp_path / "n", 1000)])
    until(lambda: count_in(tmp_path / "n") >= 2)
    job = line.find(job.number)
    assert job.runner is not None
    os.kill(job.runner.pid, signal.SIGKILL)
    until(lambda: not job.runner.alive)
    assert state(line, job) == RUNNING
    line.stop(job.number)
    until(lambda: state(line, job) == HALFWAY)


def test_jobs_that_end_with_the_server_keep_what_they_have_done_and_let_nothing_begin(line: Line, tmp_path: Path):
    job = line.add("head", "anna", [counting(tmp_path / "n", 1000)])
    waiting = line.add("head", "b", [saying("b")])
    until(lambda: count_in(tmp_path / "n") >= 2 and line.find(job.number).command is not None)
    line.break_off(20)
    reached = count_in(tmp_path / "n")
    assert state(line, job) == HALFWAY
    time.sleep(0.3)
    assert count_in(tmp_path / "n") == reached
    assert state(line, waiting) == WAITING
    line.stop(waiting.number)
    line.go_on(job.number)
    until(lambda: count_in(tmp_path / "n") > reached)


def test_jobs_that_do_not_end_are_waited_for_no_longer_than_said(line: Line):
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    job = line.add("head", "anna", [Step("deaf", (sys.executable, "-c", deaf))])
    until(lambda: "deaf\n" in (job.log.read_text().partition("\n")[2] if job.log.exists() else ""))
    begun = time.monotonic()
    line.break_off(0.5)
    assert 0.5 <= time.monotonic() - begun < 5


def test_a_job_of_a_container_goes_on_outside_of_it(line: Line):
    words = "/of/a/container/bin/python"
    job = line.add("head", "anna", [Step("say", (words, "-c", "print('by another')"))])
    until(lambda: state(line, job) == DONE)
    assert "by another" in job.log.read_text()


def test_another_process_of_the_same_number_is_not_taken_for_the_job(line: Line, tmp_path: Path):
    ours = Process.of(os.getpid())
    assert ours is not None
    assert ours.alive
    other = Process(os.getpid(), "another moment")
    assert not other.alive
    folder = line.folder / "0001"
    folder.mkdir(parents=True)
    job = Job("head", "anna", (saying("x"),), state=RUNNING, runner=other, folder=folder)
    job.write()
    line.stop("0001")  # would end these tests
    assert state(line, job) == HALFWAY


def test_a_process_that_has_ended_is_not_alive():
    with subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.DEVNULL) as process:
        known = Process.of(process.pid)
        until(lambda: known is None or not known.alive)  # a zombie is none, either


def test_what_is_done_cannot_go_on(line: Line):
    job = line.add("film", "anna", [saying("x")])
    until(lambda: state(line, job) == DONE)
    with pytest.raises(EGSTalkerError, match="nothing to go on"):
        line.go_on(job.number)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"steps": []}', '{"kind": "x", "steps": [{"name": "a"}]}', '{"steps": 3, "runner": 1}'],
)
def test_a_damaged_record_is_said_and_does_not_stop_the_line(line: Line, text: str):
    folder = line.folder / "0001"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(text)
    with pytest.raises(EGSTalkerError, match="damaged"):
        line.find("0001")
    job = line.add("film", "anna", [saying("x")])
    assert job.number == "0002"
    until(lambda: state(line, job) == DONE)


@pytest.mark.parametrize("number", ["../0001", "1", "", "0001/..", "٠٠٠١", None, 1])
def test_a_number_from_a_browser_names_no_other_folder(line: Line, number: object):
    with pytest.raises(EGSTalkerError):
        line.find(number)
