"""What takes long to make, made once for all processes of a run of the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def once(path: Path, make: Callable[[], object]) -> Path:
    """Call ``make``, which makes ``path``, in the first process that comes here; the others wait until it has ended.

    Where it failed, the next one tries again.
    """
    done = path.with_name(f"{path.name}.made")
    with FileLock(path.with_name(f"{path.name}.lock")):
        if not done.exists():
            make()
            done.touch()
    return path
