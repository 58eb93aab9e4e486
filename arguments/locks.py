"""One writer a folder at a time."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from arguments.errors import EGSTalkerError

LOCK = ".lock"  # file in the folder, which says who holds it
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # by the file system


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the folder ``root`` (made if need be) against a second run on it, until the context or the process ends.

    Nothing is held where nothing can be written, or where the system has no such locks.

    Raises:
        EGSTalkerError: another run holds it; the message says which, where and since when. Or it is no folder.
    """
    if root.exists() and not root.is_dir():
        raise EGSTalkerError(f"{root} is not a folder; give another")
    ours = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    try:
        handle = _acquire(root)
        try:
            yield
        finally:
            if handle is not None:
                (root / LOCK).unlink(missing_ok=True)
                os.close(handle)
    finally:
        if ours:
            with contextlib.suppress(OSError):  # a run that failed at once leaves no empty folder behind
                root.rmdir()


def is_held(root: Path) -> bool:
    """Whether a run of this machine, or one that shares its locks, holds the folder; nothing is changed."""
    try:
        import fcntl

        with (root / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # nobody's, or no locks
        return False
    return False


def _acquire(root: Path) -> int | None:
    """The locked file, open; None where there can be none."""
    try:
        import fcntl
    except ImportError:
        return None
    path = root / LOCK
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and not os.access(root, os.W_OK):
                return None
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(handle)
            os.close(handle)
            raise EGSTalkerError(f"{root} is being written by another run{holder}; wait for it to end") from None
        except OSError as error:
            os.close(handle)
            if error.errno in UNSUPPORTED:
                return None
            raise
        if _is_still(path, handle):
            break
        os.close(handle)  # the run that held it removed it meanwhile
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join(sys.argv),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(who).encode(), 0)
    return handle


def _holder(handle: int) -> str:
    """Who wrote the lock, in words; nothing where it does not say."""
    try:
        who = json.loads(os.pread(handle, 1 << 16, 0))
        return f" (process {who['pid']} on {who['host']} since {who['since']}: {who['command']})"
    except (ValueError, KeyError, TypeError):
        return ""


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
