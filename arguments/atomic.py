"""Files and folders appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What a run has not finished: .NAME.PID.part, and with .old what it had put aside; older versions left the PID out.
LEFTOVER = re.compile(r"\.(?P<name>.+?)(\.(?P<pid>\d+))?(?P<old>\.old)?\.part(\.\w+)?")


@contextlib.contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` (same suffix), renamed over ``target`` on success, removed on failure.

    The parent folder is made if need be. What stood at ``target`` before stays until the new file is whole.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(target: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. Raises ValueError for NaN and infinities, which JSON lacks."""
    with atomic_path(target) as path:
        path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its place on success and is removed on failure.

    What stood at ``target`` stays until the new folder is whole.
    """
    staged = target.with_name(f".{target.name}.{os.getpid()}.part")
    old = target.with_name(f".{target.name}.{os.getpid()}.old.part")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        yield staged
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        staged.rename(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def sweep_leftovers(folder: Path) -> None:
    """Remove what killed runs left unfinished in ``folder``, and bring back what one had put aside.

    What belongs to another process that is alive on this machine stays.
    """
    for path in [*folder.glob(".*.part"), *folder.glob(".*.part.*")]:
        leftover = LEFTOVER.fullmatch(path.name)
        if leftover is None or _is_anothers(leftover["pid"]):
            continue
        target = folder / leftover["name"]
        if leftover["old"] and not target.exists():  # killed between the two renames
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_anothers(pid: str | None) -> bool:
    """Whether a process that is not this one is alive under that number."""
    if pid is None or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
