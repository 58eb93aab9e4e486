"""The line of jobs: of each lane one runs at a time, the others wait; all of it is files, which outlive the server.

A job is run by a process of its own (:mod:`live.page.runner`) in a session of its own, so that neither Ctrl-C nor the
end of the server reaches it. When it ends it lets the next one begin, with or without a server.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from arguments.environment import program_environment
from arguments.errors import EGSTalkerError
from live.page.home import NUMBER, checked_number, next_folder
from live.page.job import CAN_GO_ON, RUNNING, STOPPED, WAITING, Job, Step, read_job
from live.page.processes import Process

ROOT = Path(__file__).resolve().parent.parent.parent


class Line:
    """All jobs of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        kind: str,
        subject: str,
        steps: Sequence[Step],
        *,
        lane: str = "long",
        result: str = "",
        stages: str = "",
    ) -> Job:
        """Put a job at the end of the line; it begins at once where nothing is before it."""
        folder = next_folder(self.folder)
        job = Job(kind, subject, tuple(steps), lane, result, time.time(), stages=stages, folder=folder)
        job.write()
        self.advance()
        return self.find(job.number)

    def all(self) -> list[Job]:
        """All jobs whose records can be read, the oldest first."""
        jobs = []
        for path in sorted(self.folder.glob("*"), key=lambda path: path.name):
            if NUMBER.fullmatch(path.name):
                with contextlib.suppress(EGSTalkerError):  # being made, or damaged
                    jobs.append(read_job(path))
        return jobs

    def find(self, number: object) -> Job:
        """The job of a number. Raises EGSTalkerError where there is none."""
        return read_job(self.folder / checked_number(number))

    def latest(self, kind: str, subject: str) -> Job | None:
        """The last job of a kind about something; None where there was none."""
        return next((job for job in reversed(self.all()) if (job.kind, job.subject) == (kind, subject)), None)

    def waiting(self) -> list[Job]:
        """Those that wait for their turn, in their order."""
        return sorted((job for job in self.all() if job.state == WAITING), key=lambda job: (job.asked, job.number))

    def stop(self, number: str) -> Job:
        """Ask a job to end as its command does on SIGTERM; one that waits leaves the line."""
        with held(self.folder):
            job = self.find(number)
            if job.state == WAITING:
                return job.changed(state=STOPPED)
            if job.now != RUNNING:
                return job
            runner, command = job.runner, job.command
            if runner is not None and runner.alive:
                runner.ask_to_end()
            elif command is not None:  # its runner was killed
                command.ask_to_end()
            return job

    def break_off(self, seconds: float) -> None:
        """End what runs, with nothing to begin in its place: for where everything ends with the server.

        The jobs are halfway then, and can go on; those that wait begin with the next server.

        Args:
            seconds: that the commands have to end as they do on SIGTERM.
        """
        with held(self.folder):
            running = [job for job in self.all() if job.now == RUNNING]
            for job in running:
                if job.runner is not None:
                    job.runner.kill()  # or it would let the next one begin
                if job.command is not None:
                    job.command.ask_to_end()
        deadline = time.monotonic() + seconds
        while any(job.alive for job in running) and time.monotonic() < deadline:
            time.sleep(0.05)

    def go_on(self, number: str) -> Job:
        """Put a job that has ended before it was done at the end of the line, to go on where it was.

        Raises:
            EGSTalkerError: it is at work, waits or is done.
        """
        with held(self.folder):
            job = self.find(number)
            if job.now not in CAN_GO_ON:
                raise EGSTalkerError("there is nothing to go on with")
            job.changed(state=WAITING, error="", asked=time.time(), runner=None, command=None)
        self.advance()
        return self.find(number)

    def advance(self) -> None:
        """Let the first that waits begin in each lane in which nothing runs."""
        with held(self.folder):
            jobs = self.all()
            busy = {job.lane for job in jobs if job.now == RUNNING}
            for job in self.waiting():
                if job.lane not in busy:
                    busy.add(job.lane)
                    _start(job)


def _start(job: Job) -> None:
    with job.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "live.page.runner", str(job.folder.resolve())],
            cwd=ROOT,
            env=program_environment(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # so that it does not stay behind as a zombie
    job.changed(state=RUNNING, error="", runner=Process.of(process.pid), command=None)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Inside the context nobody else changes records of jobs in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
