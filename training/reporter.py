"""What a training says of itself: a bar or plain lines, its log, metrics.jsonl, and wandb where it is wanted."""

from __future__ import annotations

import json
import secrets
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from training.log import LOG, say

SECONDS_BETWEEN_LINES = 10.0
SMOOTHING = 0.95  # of the loss and PSNR that are shown


class Reporter:
    """Use as a context manager; :meth:`step` after every iteration."""

    def __init__(self, model_path: Path, total: int, done: int, wandb_settings: dict[str, Any] | None) -> None:
        """``total`` and ``done``: iterations of both stages together. ``wandb_settings``: logged there, if not None."""
        self._log = ModelFolder(model_path).log
        self._total, self._begun_at, self._done = total, done, done
        self._shown: dict[str, float] = {}
        self._wandb = None if wandb_settings is None else _start_wandb(model_path, wandb_settings)
        _forget_lines_after(self._log, done)
        self._file: TextIO | None = None
        self._bar: Progress | None = None

    def __enter__(self) -> Reporter:
        self._file = self._log.open("a")
        self._begun = self._said = time.monotonic()
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(
                *columns, TextColumn("{task.fields[state]}"), TimeRemainingColumn(), console=Console(stderr=True)
            )
            self._task = self._bar.add_task("", total=self._total, completed=self._done, state="")
            self._bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._file is not None:
            self._file.close()
        if self._wandb is not None:
            self._wandb.finish(exit_code=0 if kind is None else 1)

    def step(self, stage: str, iteration: int, gaussians: int, values: dict[str, float]) -> None:
        """Note one iteration; ``values`` (loss, psnr) are shown smoothed."""
        self._done += 1
        for name, value in values.items():
            self._shown[name] = SMOOTHING * self._shown.get(name, value) + (1 - SMOOTHING) * value
        now = time.monotonic()
        rate = (self._done - self._begun_at) / max(now - self._begun, 1e-9)
        state = " ".join(f"{name} {_short(value)}" for name, value in self._shown.items())
        state = f"{state} gaussians {gaussians} {rate:.2f} it/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=stage, state=state)
        if now - self._said >= SECONDS_BETWEEN_LINES or self._done == self._total:
            self._said = now
            left = (self._total - self._done) / max(rate, 1e-9)
            line = f"{stage} {iteration} ({self._done}/{self._total}) {state} {left:.0f} s left"
            if self._bar is None:
                say(line)
            else:
                LOG.info(line)

    def record(self, entry: dict[str, Any]) -> None:
        """Append a line to metrics.jsonl (and wandb); ``iteration`` counts both stages."""
        entry = {"iteration": self._done, **entry}
        assert self._file is not None, "a reporter records inside its context"
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
        if self._wandb is not None:
            self._wandb.log({k: v for k, v in entry.items() if isinstance(v, (int, float))}, step=self._done)

    def say(self, line: str) -> None:
        """Show a line without disturbing the bar."""
        if self._bar is not None:
            LOG.info(line)
            self._bar.console.print(line, highlight=False)
        else:
            say(line)


def _forget_lines_after(log: Path, done: int) -> None:
    """A killed run may have logged beyond its last checkpoint: those iterations are about to be done again."""
    if not log.is_file():
        return
    kept = []
    for line in log.read_text(errors="replace").splitlines():
        try:
            if json.loads(line)["iteration"] <= done:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # the line that the kill cut short
    with atomic_path(log) as path:
        path.write_text("".join(f"{line}\n" for line in kept))


def _start_wandb(model_path: Path, settings: dict[str, Any]) -> Any:
    """The run at Weights & Biases, which all runs in a model folder go on with."""
    try:
        import wandb
    except ImportError as error:
        raise EGSTalkerError("--use_wandb needs the wandb package: pip install wandb") from error
    kept = ModelFolder(model_path).wandb_run
    try:
        if not kept.exists():
            with atomic_path(kept) as path:
                path.write_text(f"{secrets.token_hex(4)}\n")
        return wandb.init(
            project="egstalker",
            name=model_path.name,
            id=kept.read_text().strip(),
            dir=str(model_path),
            config=settings,
            resume="allow",
            allow_val_change=True,  # --iterations may grow from run to run
        )
    except (wandb.errors.Error, OSError) as error:
        raise EGSTalkerError(f"wandb cannot start ({error}); log in, or set WANDB_MODE=offline") from error


def _short(value: float) -> str:
    """Four digits, and no exponent for large counts."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
