"""Runs the commands of one job, one after the other: python -m live.page.runner home/jobs/0001.

It writes into the record what runs and what became of it. SIGTERM is passed on to the command, which stops as it does;
what is left of the job can go on later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from arguments.atomic import write_json
from arguments.command_log import last_error
from arguments.errors import EGSTalkerError, door, one_line
from live.page.job import DONE, FAILED, STOPPED, Job, Step, read_job
from live.page.jobs import ROOT, Line, held
from live.page.processes import Process


class Runner:
    """One job at work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked_to_stop = False
        self.command: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Run what is left of the job, and write down how it ended."""
        for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(name, self._stop)
        job = self._change(runner=Process.of(os.getpid()))
        while job.step < len(job.steps) and not self.asked_to_stop:
            code = self._run(job, job.current)
            if self.asked_to_stop:
                break
            if code:
                self._change(state=FAILED, error=last_error(job.log) or _ended(code), command=None)
                return
            job = self._change(step=job.step + 1, command=None)
        done = job.step >= len(job.steps)
        self._change(state=DONE if done else STOPPED, command=None)

    def _run(self, job: Job, step: Step) -> int:
        begun = time.monotonic()
        with job.log.open("ab") as log:
            log.write(f"== {step.name}\n".encode())
            log.flush()
            try:
                self.command = subprocess.Popen(
                    _words(step),
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"error: {one_line(error)}\n".encode())
                return 1
        if self.asked_to_stop:  # between two commands
            self.command.terminate()
        self._change(command=Process.of(self.command.pid))
        code = self.command.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # workers that it left
            os.killpg(self.command.pid, signal.SIGKILL)
        self.command = None
        spent = dict(job.seconds or {})
        spent[step.name] = round(spent.get(step.name, 0.0) + time.monotonic() - begun, 1)
        self._change(seconds=spent)
        if job.stages:
            write_json(job.stages, spent)
        return code

    def _change(self, **values: Any) -> Job:
        with held(self.folder.parent):
            return read_job(self.folder).changed(**values)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self.asked_to_stop = True
        if self.command is not None:
            self.command.terminate()


def _words(step: Step) -> tuple[str, ...]:
    """Its command. A Python that is not here, as one of a container or of outside it, is this one."""
    program = Path(step.command[0])
    is_gone = program.name.startswith("python") and not program.exists()
    return (sys.executable, *step.command[1:]) if is_gone else step.command


def _ended(code: int) -> str:
    if code < 0:
        return f"the command was ended by {signal.Signals(-code).name}; go on, or look at the log"
    return f"the command ended with code {code}; look at the log"


@door
def main() -> None:
    """Run the job of the folder that is named, then let the next one begin."""
    if len(sys.argv) != 2:
        raise EGSTalkerError("give the folder of a job")
    folder = Path(sys.argv[1])
    try:
        Runner(folder).run()
    finally:
        Line(folder.parent).advance()


if __name__ == "__main__":
    sys.exit(main())
