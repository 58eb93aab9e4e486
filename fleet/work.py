"""One stage of one head, done on the machine where this runs: what a Ray task calls."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from arguments.command_log import BEGINS
from arguments.environment import program_environment
from arguments.errors import EGSTalkerError, one_line
from data_utils.parallel import CORES
from fleet.failures import Failure, failure_of, failure_of_error
from fleet.farm import PICTURE, Farm, Receipt, Source
from fleet.manifest import INPUT, MACHINE
from fleet.picture import picture_of
from fleet.settings import Settings
from fleet.stages import STAGES, Figures, Head, Stage, way_of
from fleet.storage import HEADS, ObjectStore

ROOT = Path(__file__).resolve().parent.parent
LEASH = Path(__file__).resolve().parent / "leash.py"
GRACE = 20.0  # seconds that a program has to end when asked to: a training writes a checkpoint
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", CORES)


@dataclass(frozen=True)
class Order:
    """What is to be done."""

    farm: str
    """Path or URL of the farm."""
    scratch: str
    """Where a machine keeps copies of what is behind a URL."""
    source: Source
    stage: str
    settings: Settings
    cores: int
    gpu: bool
    checkout: str
    """Whose programs are run; the machine's own where it is empty."""
    last: bool = False
    """Whether the head is finished with it."""

    def carry_out(self) -> Outcome:
        """See :func:`run_stage`."""
        return run_stage(self)


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    seconds: float
    place: str
    figures: Figures
    failure: Failure | None = None
    skipped: bool = False
    """It was whole already."""


def run_stage(order: Order) -> Outcome:
    """Do a stage, unless it is whole. Nothing is raised but what ends the worker itself."""
    begun, place = time.monotonic(), socket.gethostname()
    try:
        farm = Farm(order.farm, order.scratch)
        there = farm.receipt(order.source.name, order.stage)
        if there is not None:
            return Outcome(there.seconds, there.place, there.figures, skipped=True)
        figures = _do(order, farm, begun, place)
    except EGSTalkerError as error:
        return Outcome(time.monotonic() - begun, place, {}, Failure(INPUT, one_line(error)))
    except OSError as error:
        return Outcome(time.monotonic() - begun, place, {}, failure_of_error(error))
    seconds = time.monotonic() - begun
    if isinstance(figures, Failure):
        return Outcome(seconds, place, {}, figures)
    return Outcome(seconds, place, figures)


def _do(order: Order, farm: Farm, begun: float, place: str) -> Figures | Failure:
    stage, head, store = STAGES[order.stage], farm.head(order.source), farm.store
    _bring(order, farm, stage, head)
    log = head.log(stage.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    for command in stage.commands(head, order.settings, Path(order.checkout or ROOT), order.gpu):
        code = run_program(command, order.stage, order.cores, order.checkout, log)
        if isinstance(store, ObjectStore):
            store.write(f"{HEADS}/{head.name}/logs/{stage.name}.log", log.read_bytes())
        if code:
            return failure_of(code, log)
    figures = stage.figures(head, order.settings)
    if figures is None:
        return Failure(MACHINE, f"{stage.name} has ended well but what it left is not whole")
    picture = picture_of(head)
    if picture is not None:
        store.write(f"{HEADS}/{head.name}/{PICTURE}", picture)
    version = store.keep(head.name, stage.writes) if stage.writes else ""
    if isinstance(store, ObjectStore) and stage.name == "metrics":
        store.write(f"{HEADS}/{head.name}/metrics.json", head.model.scores.read_bytes())
    farm.write_receipt(head.name, Receipt(stage.name, round(time.monotonic() - begun, 1), version, place, figures))
    if isinstance(store, ObjectStore) and stage.writes:
        store.forget(head.name, stage.writes, version)
    if order.last:
        store.drop(head.name)
    return figures


def _bring(order: Order, farm: Farm, stage: Stage, head: Head) -> None:
    if not stage.reads:
        farm.store.bring(head.name, head.video.name, "")
    for part in stage.reads:
        made_by = next(one for one in way_of(order.settings) if one.writes == part)
        receipt = farm.receipt(head.name, made_by.name)
        if receipt is None:
            raise EGSTalkerError(f"{stage.name} needs what {made_by.name} makes, which is not whole")
        farm.store.bring(head.name, part, receipt.version)


def run_program(command: list[str], title: str, cores: int, checkout: str, log: Path) -> int:
    """Run a program below a leash.

    Args:
        command: its words.
        title: under which the log has what it prints.
        cores: that it may take.
        checkout: whose program it is; the machine's own where it is empty.
        log: is added to.

    Returns:
        Its exit code.
    """
    root = checkout or str(ROOT)
    environment = program_environment(root) | {name: str(cores) for name in THREADS}
    with log.open("ab") as file:
        file.write(f"{BEGINS}{title}\n".encode())
        file.flush()
        leash = subprocess.Popen(
            [sys.executable, str(LEASH), str(os.getpid()), str(GRACE), *command],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        while leash.poll() is None:  # in short waits: a task is cancelled between two of them
            with contextlib.suppress(subprocess.TimeoutExpired):
                leash.wait(0.5)
    except BaseException:
        leash.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            leash.wait(GRACE + 5)
        raise
    return leash.returncode
