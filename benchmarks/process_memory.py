"""The memory of a process and all that it has started, pages that they share counted once."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class PeakMemory:
    """Watches this process and its descendants while a ``with`` block runs (Linux; elsewhere there is nothing to see).

    :meth:`take` gives the most bytes (proportional set size) since it was last called.
    """

    def __init__(self, every: float = 0.1) -> None:
        self._every, self._peak = every, 0
        self._ends, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *trace: object) -> None:
        self._ends.set()
        self._thread.join()

    def take(self) -> int:
        """Bytes; 0 where this system does not tell."""
        self._look()
        with self._lock:
            peak, self._peak = self._peak, 0
        return peak

    def _watch(self) -> None:
        while not self._ends.wait(self._every):
            self._look()

    def _look(self) -> None:
        now = sum(_proportional_bytes(process) for process in _family(os.getpid()))
        with self._lock:
            self._peak = max(self._peak, now)


def _family(root: int) -> list[int]:
    """The process ``root`` and its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    family = [root]
    for process in family:
        family += children.get(process, [])
    return family


def _proportional_bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended, or this is not Linux
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
