"""Folders that appear whole or not at all, and one writer at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from arguments.errors import EGSTalkerError


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its place on success and is removed on failure.

    What stood at ``target`` stays until the new folder is whole.
    """
    staged, old = _staged(target), _old(target)
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


def sweep(root: Path) -> None:
    """Remove what a killed run left unfinished in ``root`` and its folders; nobody may be writing there."""
    for old in root.glob(".*.old.part"):
        target = root / old.name[1 : -len(".old.part")]
        if not target.exists():  # killed between the two renames
            old.rename(target)
    for leftover in [*root.glob(".*.part"), *root.glob(".*.part.*"), *root.glob("*/.*.part.*")]:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold ``root`` (made if need be) against a second run on it. Raises EGSTalkerError where one is under way."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    ours = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EGSTalkerError(f"{root} is being made by another run; wait for it to end") from None
        yield
    finally:
        os.close(handle)
        if ours:
            with contextlib.suppress(OSError):  # a run that failed at once leaves no empty folder behind
                root.rmdir()


def _staged(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old.part")
