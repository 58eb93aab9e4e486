"""Which process is meant: its number and when it began, so that another one of the same number is not taken for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
BOOT = PROC / "sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Process:
    """One process on this machine, for as long as it lives."""

    pid: int
    began: str
    """When, in words of the system's own: nothing but the same words means the same moment."""

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has a number now; None where none has, or it has ended and nobody has asked for its code."""
        began = _began(pid)
        return None if began is None else cls(pid, began)

    @property
    def alive(self) -> bool:
        """Whether it still is."""
        return Process.of(self.pid) == self

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it is alive."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, if it is alive."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _began(pid: int) -> str | None:
    if BOOT.exists():
        try:
            # The name of the program, in brackets, may hold anything; state and start time are counted from its end.
            fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{BOOT.read_text().strip()} {fields[19]}"
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return answer[1].strip() if len(answer) == 2 and not answer[0].startswith("Z") else None
