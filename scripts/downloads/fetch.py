"""Fetch one file: resumed after a break, verified, moved into place only when whole."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import io
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

BLOCK = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
TRIES = 4  # of a server that breaks off; each goes on where the one before stopped

Progress = Callable[[int, "int | None"], None]  # bytes there, bytes in all


class FetchError(Exception):
    """A file could not be had; the message is one line. Subclasses carry the exit code."""

    code = 1


class Unreachable(FetchError):
    """The source does not answer, or has no such file."""

    code = 4


class Mismatch(FetchError):
    """What came is not what was stated: another size, another checksum, a damaged archive."""

    code = 5


class NoRoom(FetchError):
    """The disk is full, or the folder cannot be written to."""

    code = 6


def fetch(
    urls: list[str],
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    member: str | None = None,
    progress: Progress = lambda there, total: None,
) -> str:
    """Fetch the first of ``urls`` that has the file to ``target``; returns the SHA-256 of what is there then.

    What has come is kept beside the target in ``.NAME.part``; a later call goes on with it.

    Args:
        size: bytes that it must have, of the archive where ``member`` is given.
        sha256: checksum that it must have.
        member: the file to take out of the zip archive that the URL gives.

    Raises:
        Unreachable, Mismatch, NoRoom.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as lock:
            _lock(lock, target)
            resumed = part.stat().st_size > 0
            try:
                return _fetch_whole(urls, part, target, size, sha256, member, progress)
            except Mismatch:
                part.unlink(missing_ok=True)
                if not resumed:
                    raise
                return _fetch_whole(urls, part, target, size, sha256, member, progress)  # what was there was not of it
            finally:
                if part.exists() and not part.stat().st_size:
                    part.unlink()
    except OSError as error:
        raise NoRoom(f"{target} cannot be written: {error.strerror or error}") from error


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _fetch_whole(
    urls: list[str], part: Path, target: Path, size: int | None, sha256: str | None, member: str | None, say: Progress
) -> str:
    if size is None and sha256 is None and member is None:
        part.unlink(missing_ok=True)  # nothing would tell a wrong beginning
    for number, url in enumerate(urls):
        try:
            _fetch_part(url, part, size, say)
            break
        except Unreachable as error:
            if number == len(urls) - 1 or not isinstance(error.__cause__, (FileNotFoundError, urllib.error.HTTPError)):
                raise
    got = part.stat().st_size
    if size is not None and got != size:
        raise Mismatch(f"{target.name} has {got} bytes, not {size}")
    if member is not None:
        _unpack(part, member)
    found = sha256_of(part)
    if sha256 is not None and found != sha256:
        raise Mismatch(f"{target.name} has the checksum {found}, not {sha256}")
    part.chmod(0o666 & ~_umask())
    part.replace(target)
    return found


def _fetch_part(url: str, part: Path, size: int | None, say: Progress) -> None:
    """Bring ``part`` to the file's whole length, going on where it ends."""
    reason: Exception | None = None
    with part.open("r+b" if part.exists() else "w+b") as file:
        for attempt in range(TRIES):
            there = file.seek(0, os.SEEK_END)
            if size is not None and there >= size:
                return
            if attempt:
                time.sleep(0.5 * 2 ** (attempt - 1))
            try:
                with _open(url, there) as (source, start, total):
                    file.seek(start)
                    file.truncate()
                    while block := source.read1(BLOCK):
                        _write(file, block)
                        file.flush()  # what has come stays, however this ends
                        say(file.tell(), total)
                    if total is None or file.tell() >= total:
                        return
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise Unreachable(f"{_shown(url)} answers {error.code} {error.reason}") from error
                reason = error
            except (http.client.HTTPException, OSError) as error:
                reason = error
    what = getattr(reason, "reason", None) or reason or "it breaks off"
    raise Unreachable(f"{_shown(url)} cannot be fetched ({what}); run again to go on") from reason


@contextmanager
def _open(url: str, there: int) -> Iterator[tuple[Any, int, int | None]]:
    """A stream of the file, the byte that it starts at (0, or ``there``), and the file's length where it is told."""
    if url.startswith("file:"):
        path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        try:
            file = path.open("rb")
        except OSError as error:
            raise Unreachable(f"{path}: {error.strerror}") from error
        with file:
            total = os.fstat(file.fileno()).st_size
            start = there if there <= total else 0
            file.seek(start)
            yield file, start, total
        return
    headers = {"User-Agent": "EGSTalker", "Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not there:
            raise
        if error.headers.get("Content-Range") == f"bytes */{there}":  # it is all there already
            yield io.BytesIO(), there, there
        else:
            with _open(url, 0) as whole:
                yield whole
        return
    with response:
        length = response.headers.get("Content-Length")
        start = there if response.status == http.client.PARTIAL_CONTENT else 0
        yield response, start, start + int(length) if length else None


def _write(file: BinaryIO, block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:  # not to be taken for the server's
        raise NoRoom(f"{file.name} cannot be written: {error.strerror}") from error


def _unpack(archive: Path, member: str) -> None:
    """Put the member of a zip archive in the archive's place; its CRC is checked on the way."""
    out = archive.with_name(f"{archive.name}.member")
    try:
        with zipfile.ZipFile(archive) as bundle, bundle.open(member) as source, out.open("wb") as file:
            shutil.copyfileobj(source, file, BLOCK)
        out.replace(archive)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, ValueError) as error:
        raise Mismatch(f"{archive.name} is not a whole zip archive with {member} in it") from error
    finally:
        out.unlink(missing_ok=True)


def _lock(file: BinaryIO, target: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NoRoom(f"{target} is being fetched by another run; wait for that one") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _shown(url: str) -> str:
    """The URL without what may be secret in it."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.hostname or "", parts.path, "", ""))
