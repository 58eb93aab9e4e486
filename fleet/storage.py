"""Where a farm lies: a folder that all machines see, or an object store (s3://, gs://, any that fsspec knows).

In a folder, stages work in place. From an object store each machine brings what a stage reads to a scratch folder of
its own and keeps what came of it under a name that nobody knows until the stage's receipt, which is written last, says
it: an upload that breaks off leaves nothing that counts.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

from arguments.atomic import atomic_path, staged_folder
from arguments.errors import EGSTalkerError, one_line

HEADS = "heads"
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


@runtime_checkable
class Store(Protocol):
    """Small files by their keys, and the parts of heads: a folder or a file below the head's own."""

    address: str
    """That another machine opens the same store by."""
    local: Path
    """A folder of this machine: of a shared farm the farm itself."""

    def read(self, key: str) -> bytes | None:
        """A small file; None where there is none."""

    def write(self, key: str, data: bytes) -> None:
        """Put a small file there, whole or not at all."""

    def names(self) -> list[str]:
        """Of the heads, sorted."""

    def place(self, name: str) -> Path:
        """The folder in which this machine works on a head."""

    def add_file(self, name: str, part: str, source: Path, *, copy: bool) -> None:
        """Put a file of this machine into a head; without ``copy`` a link will do."""

    def bring(self, name: str, part: str, version: str) -> None:
        """Have a part in :meth:`place`."""

    def keep(self, name: str, part: str) -> str:
        """Keep what :meth:`place` has of a part. Returns the version to :meth:`bring` it by, for the receipt."""

    def drop(self, name: str) -> None:
        """Let go of what only this machine has of a head."""


class SharedFolder:
    """A farm in a folder that every machine sees under the same path."""

    def __init__(self, root: Path) -> None:
        self.local, self.address = root, str(root)

    def read(self, key: str) -> bytes | None:
        """A small file; None where there is none."""
        try:
            return (self.local / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, key: str, data: bytes) -> None:
        """Put a small file there, whole or not at all."""
        with atomic_path(self.local / key) as path:
            path.write_bytes(data)

    def names(self) -> list[str]:
        """Of the heads, sorted."""
        folder = self.local / HEADS
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def place(self, name: str) -> Path:
        """The head's own folder."""
        return self.local / HEADS / name

    def add_file(self, name: str, part: str, source: Path, *, copy: bool) -> None:
        """Copy a file into a head, or lead there by a link."""
        with atomic_path(self.place(name) / part) as path:
            if copy:
                shutil.copyfile(source, path)
            else:
                path.symlink_to(source.resolve())

    def bring(self, name: str, part: str, version: str) -> None:
        """All is in its place."""

    def keep(self, name: str, part: str) -> str:
        """All is in its place."""
        return ""

    def drop(self, name: str) -> None:
        """Nothing is this machine's alone."""


class ObjectStore:
    """A farm behind an fsspec URL.

    Args:
        url: such as s3://bucket/farm.
        scratch: a folder of this machine, where copies lie while they are worked on.

    Raises:
        EGSTalkerError: fsspec does not know such an address, or lacks a package for it.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        import fsspec

        kind = url.partition("://")[0]
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            cure = f"install the package {PACKAGES[kind]}" if kind in PACKAGES else one_line(error)
            raise EGSTalkerError(f"{url} cannot be opened: {cure}") from error
        self.address, self.local = url, scratch

    def read(self, key: str) -> bytes | None:
        """A small file; None where there is none."""
        try:
            return bytes(self._files.cat_file(self._key(key)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, key: str, data: bytes) -> None:
        """Put a small file there; an object store has it whole or not at all, and readers refuse half a JSON object."""
        path = self._key(key)
        self._files.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
        self._files.pipe_file(path, data)

    def names(self) -> list[str]:
        """Of the heads, sorted."""
        try:
            self._files.invalidate_cache()
            there = self._files.ls(self._key(HEADS), detail=True)
        except FileNotFoundError:
            return []
        return sorted(PurePosixPath(one["name"]).name for one in there if one["type"] == "directory")

    def place(self, name: str) -> Path:
        """The head's folder in scratch."""
        return self.local / HEADS / name

    def add_file(self, name: str, part: str, source: Path, *, copy: bool) -> None:
        """Upload a file into a head."""
        key = self._key(f"{HEADS}/{name}/{part}")
        self._files.makedirs(str(PurePosixPath(key).parent), exist_ok=True)
        self._files.put_file(str(source), key)

    def bring(self, name: str, part: str, version: str) -> None:
        """Have a part in scratch: a file by its own name, what was kept by its version.

        Raises:
            EGSTalkerError: it is damaged or gone.
        """
        target, mark = self.place(name) / part, self.place(name) / f".{part}.version"
        if target.exists() and mark.is_file() and mark.read_text() == version:
            return
        mark.unlink(missing_ok=True)
        key = self._key(f"{HEADS}/{name}/{part}" if version == "" else self._archive(name, part, version))
        try:
            if version == "":
                with atomic_path(target) as path:
                    self._files.get_file(key, str(path))
            else:
                with staged_folder(target) as folder, self._files.open(key, "rb") as file:
                    _unpack(file, folder)
        except (FileNotFoundError, tarfile.TarError) as error:
            raise EGSTalkerError(f"{key} is damaged or gone; let the stage before make it again") from error
        mark.write_text(version)

    def keep(self, name: str, part: str) -> str:
        """Upload a part under a version of its own."""
        source, version = self.place(name) / part, secrets.token_hex(8)
        key = self._key(self._archive(name, part, version))
        self._files.makedirs(str(PurePosixPath(key).parent), exist_ok=True)
        with self._files.open(key, "wb") as file, tarfile.open(fileobj=file, mode="w|") as archive:
            archive.add(source, arcname=".")
        (self.place(name) / f".{part}.version").write_text(version)
        return version

    def drop(self, name: str) -> None:
        """Remove the head from scratch."""
        shutil.rmtree(self.place(name), ignore_errors=True)

    def forget(self, name: str, part: str, version: str) -> None:
        """Remove all versions of a part but one."""
        self._files.invalidate_cache()
        for key in self._files.glob(self._key(self._archive(name, part, "*"))):
            if not key.endswith(f"-{version}.tar"):
                with contextlib.suppress(FileNotFoundError):
                    self._files.rm_file(key)

    def _archive(self, name: str, part: str, version: str) -> str:
        return f"{HEADS}/{name}/{part}-{version}.tar"

    def _key(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"


def _unpack(file: Any, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise EGSTalkerError("this Python unpacks archives without care; take 3.10.12, 3.11.4 or a later one")
    with tarfile.open(fileobj=file, mode="r|") as archive:
        archive.extractall(folder, filter="data")


def is_url(text: str) -> bool:
    """Whether a place is named by an fsspec URL."""
    return "://" in text


def store_of(text: str, scratch: Path) -> Store:
    """The store at a path or a URL.

    Raises:
        EGSTalkerError: there can be none.
    """
    if is_url(text):
        return ObjectStore(text, scratch)
    path = Path(text).absolute()
    if path.exists() and not path.is_dir():
        raise EGSTalkerError(f"{path} is not a folder; give another --out")
    return SharedFolder(path)
