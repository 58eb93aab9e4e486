"""A farm: many heads, what they are made of and with, and how far each is.

    farm/farm.json                  the settings that all heads share
         manifest.jsonl             what became of each stage, line by line
         report.html, report.csv    all heads in one table
         heads/NAME/head.json       which video it is made of
                    dataset.mp4     that video: a link, or a copy
                    dataset/  model/  export/  logs/STAGE.log
                    done/STAGE.json the receipt of a stage that is whole
                    picture.jpg     what it looks like

In an object store the folders are archives, and the manifest lies with the driver, which adds a copy of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError
from arguments.foreign_text import printable
from arguments.locks import exclusive
from fleet.claim import claim, release
from fleet.manifest import NAME, Manifest, Record, read_manifest
from fleet.settings import Settings
from fleet.stages import STAGES, VIDEO, Figures, Head
from fleet.storage import HEADS, SharedFolder, Store, store_of
from fleet.videos import digest_of, safe_name

SETTINGS, MANIFEST, PICTURE = "farm.json", "manifest.jsonl", "picture.jpg"
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True)
class Source:
    """head.json: the video that a head is made of."""

    name: str
    """Of the head."""
    path: str
    """Where the video was."""
    suffix: str
    digest: str
    """Of its size and both ends."""


@dataclass(frozen=True)
class Receipt:
    """done/STAGE.json: a stage that is whole."""

    stage: str
    seconds: float
    version: str = ""
    """Under which an object store has what the stage left."""
    place: str = ""
    """The machine that it ran on."""
    figures: Figures = field(default_factory=dict)


class Farm:
    """The farm at a path or a URL.

    Args:
        address: the path, or an fsspec URL.
        scratch: where each machine keeps copies of what is behind a URL; ~ is the home of whoever works there.
    """

    def __init__(self, address: str, scratch: str = "") -> None:
        self.scratch = scratch or f"~/.cache/egstalker/fleet/{hashlib.sha256(address.encode()).hexdigest()[:16]}"
        self.store: Store = store_of(address, Path(self.scratch).expanduser())

    @property
    def manifest(self) -> Path:
        """Where the driver's manifest is."""
        return self.store.local / MANIFEST

    def settings(self) -> Settings:
        """Of all heads.

        Raises:
            EGSTalkerError: there is no farm, or its settings are damaged.
        """
        data = self.store.read(SETTINGS)
        if data is None:
            raise EGSTalkerError(f"there is no farm at {self.store.address}; ./fleet.sh heads makes one")
        return Settings.from_json(data, f"{self.store.address}/{SETTINGS}")

    def take_settings(self, settings: Settings) -> None:
        """Begin the farm with these settings.

        Raises:
            EGSTalkerError: it has begun with others.
        """
        settings.check()
        if self.store.read(SETTINGS) is None:
            self.store.write(SETTINGS, settings.to_json())
            return
        before = self.settings()
        for name, value in asdict(before).items():
            if value != getattr(settings, name):
                what = "another content of --configs" if name == "digest" else f"--{name} {value or 'none'}"
                raise EGSTalkerError(
                    f"{self.store.address} was begun with {what}; give that again, or another --out: "
                    "heads that are made otherwise are not to be compared"
                )

    def sources(self) -> list[Source]:
        """Of all heads, by their names."""
        read = (_source(name, self.store.read(f"{HEADS}/{name}/head.json")) for name in self.store.names())
        return [source for source in read if source is not None]

    def add(self, videos: Sequence[Path], *, copy: bool = False) -> list[Source]:
        """Let a head be made of each video that has none yet; returns those that were added.

        Raises:
            EGSTalkerError: a video cannot be read, or another content has been put in its place since.
        """
        there = self.sources()
        by_path, taken, added = {one.path: one for one in there}, {one.name.lower() for one in there}, []
        for video in videos:
            path, digest = str(video.absolute()), digest_of(video)
            known = by_path.get(path)
            if known is not None:
                if known.digest != digest:
                    raise EGSTalkerError(
                        f"{video} is another video than {known.name} was made of; give it another name, "
                        f"or remove {HEADS}/{known.name} of the farm"
                    )
                continue
            name = safe_name(video.stem, taken)
            suffix = video.suffix if SUFFIX.fullmatch(video.suffix) else ".mp4"
            source = Source(name, path, suffix, digest)
            self.store.add_file(name, f"{VIDEO}{suffix}", video, copy=copy)
            self.store.write(
                f"{HEADS}/{name}/head.json", json.dumps(asdict(source), indent=2).encode()
            )  # last: it is in
            taken.add(name.lower())
            added.append(source)
        return added

    def head(self, source: Source) -> Head:
        """Where a head is worked on here."""
        return Head(source.name, self.store.place(source.name), source.suffix)

    def receipt(self, name: str, stage: str) -> Receipt | None:
        """That of a stage; None where the stage is not whole."""
        return _receipt(stage, self.store.read(f"{HEADS}/{name}/done/{stage}.json"))

    def write_receipt(self, name: str, receipt: Receipt) -> None:
        """Say that a stage is whole."""
        data = json.dumps(asdict(receipt), indent=2, allow_nan=False).encode() + b"\n"
        self.store.write(f"{HEADS}/{name}/done/{receipt.stage}.json", data)

    def withdraw_receipt(self, name: str, stage: str) -> None:
        """Say that a stage is not whole any more."""
        self.store.write(f"{HEADS}/{name}/done/{stage}.json", b"")

    def records(self) -> list[Record]:
        """The manifest."""
        self.bring_manifest()
        return read_manifest(self.manifest)

    def bring_manifest(self) -> None:
        """From an object store take the driver's copy, where that says more than this machine's own."""
        if not isinstance(self.store, SharedFolder):
            data = self.store.read(MANIFEST) or b""
            if len(data) > (self.manifest.stat().st_size if self.manifest.exists() else 0):
                with atomic_path(self.manifest) as path:
                    path.write_bytes(data)


@contextlib.contextmanager
def driving(farm: Farm) -> Iterator[Manifest]:
    """Hold a farm against a second driver, with its manifest open.

    Raises:
        EGSTalkerError: another driver is at work on it; the message says which.
    """
    shared = isinstance(farm.store, SharedFolder)
    with exclusive(farm.store.local):
        if not shared:
            claim(farm.store)
        farm.bring_manifest()  # of a machine that goes on with another's
        manifest = Manifest(farm.manifest)
        try:
            yield manifest
        finally:
            manifest.close()
            if not shared:
                release(farm.store)


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(data or b"")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _source(name: str, data: bytes | None) -> Source | None:
    value = _object(data)
    words = [value.get(key) for key in ("path", "suffix", "digest")]
    path, suffix, digest = (word if isinstance(word, str) else "" for word in words)
    if not (NAME.fullmatch(name) and path):
        return None
    return Source(name, path, suffix, digest) if SUFFIX.fullmatch(suffix) else None


def _receipt(stage: str, data: bytes | None) -> Receipt | None:
    value = _object(data)
    seconds, version, figures = value.get("seconds"), value.get("version", ""), value.get("figures", {})
    if value.get("stage") != stage or stage not in STAGES or not isinstance(figures, dict):
        return None
    if not isinstance(seconds, (int, float)) or not isinstance(version, str) or not re.fullmatch("[0-9a-f]*", version):
        return None
    numbers = {str(k): float(v) for k, v in figures.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return Receipt(stage, float(seconds), version, printable(str(value.get("place", ""))), numbers)
