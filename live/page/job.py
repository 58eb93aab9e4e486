"""One piece of long work: its folder, what its record says, and what has become of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError
from live.page.processes import Process

WAITING, RUNNING, STOPPED, FAILED, DONE = "waiting", "running", "stopped", "failed", "done"
HALFWAY = "halfway"  # its record says that it runs, and nobody runs it: the machine or the process was killed
STATES = (WAITING, RUNNING, STOPPED, FAILED, DONE)
CAN_GO_ON = (STOPPED, FAILED, HALFWAY)


@dataclass(frozen=True)
class Step:
    """One command of a job."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """What was asked for, and how far it is."""

    kind: str
    """``clip`` (looked at), ``head`` (made) or ``film`` (made)."""
    subject: str
    """Number of the clip, or name of the head."""
    steps: tuple[Step, ...]
    lane: str = "long"
    """Of each lane one job runs at a time."""
    result: str = ""
    """Number of the film."""
    asked: float = 0.0
    """Seconds since 1970."""
    state: str = WAITING
    step: int = 0
    """The one that runs, or is to run next."""
    seconds: dict[str, float] | None = None
    """That each step has taken."""
    error: str = ""
    runner: Process | None = None
    command: Process | None = None
    stages: str = ""
    """File that gets the seconds of the steps whenever one ends."""
    folder: Path = Path()

    @property
    def number(self) -> str:
        return self.folder.name

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def alive(self) -> bool:
        """Whether the process that runs it, or the command that it started, is there."""
        return any(process is not None and process.alive for process in (self.runner, self.command))

    @property
    def now(self) -> str:
        """Its state, or ``halfway``."""
        return HALFWAY if self.state == RUNNING and not self.alive else self.state

    @property
    def current(self) -> Step:
        """The step that runs, or is to run next; the last one where all are done."""
        return self.steps[min(self.step, len(self.steps) - 1)]

    def changed(self, **values: Any) -> Job:
        """The job with other values, written down."""
        job = replace(self, **values)
        job.write()
        return job

    def write(self) -> None:
        """Write the record; a reader finds the old one or the new one."""
        write_json(self.folder / "job.json", {k: v for k, v in asdict(self).items() if k != "folder"})


def read_job(folder: Path) -> Job:
    """The job of a folder.

    Raises:
        EGSTalkerError: there is none, or its record is damaged.
    """
    try:
        value = json.loads((folder / "job.json").read_text())
        steps = tuple(Step(str(step["name"]), tuple(map(str, step["command"]))) for step in value.pop("steps"))
        runner, command = _process(value.pop("runner")), _process(value.pop("command"))
        job = Job(**value, runner=runner, command=command, steps=steps, folder=folder)
    except FileNotFoundError:
        raise EGSTalkerError(f"there is no job {folder.name}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EGSTalkerError(f"{folder / 'job.json'} is damaged; delete {folder} and ask again") from error
    if job.state not in STATES or not job.steps or type(job.step) is not int or job.step < 0:
        raise EGSTalkerError(f"{folder / 'job.json'} is damaged; delete {folder} and ask again")
    return job


def _process(value: dict[str, Any] | None) -> Process | None:
    return None if value is None else Process(int(value["pid"]), str(value["began"]))
