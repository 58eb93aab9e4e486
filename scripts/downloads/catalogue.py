"""What can be fetched: models.json and bfm.json, and the checksums that first downloads recorded.

A catalogue holds sets of files: {name: {what, licence, page, files: [{path, url, size, sha256, member}]}}. ``path`` is
below the checkout; ``size`` (bytes) and ``sha256`` are left out where nobody has published them; ``member`` names the
file wanted of a zip archive. A checksum that is not published is recorded at the first download, in
requirements/models.sha256, which ``sha256sum -c`` reads and which is worth committing.

Where the stated checksums come from: torchvision's and face-alignment's begin as the files' own names do; those of
the small files of BFM and LPIPS were computed from the pinned commits; the others are what users of pinned revisions
have put on record (BFM09_model_info.mat: one of them, the rest: several who agree).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECORDED = Path("requirements/models.sha256")


@dataclass(frozen=True)
class ModelFile:
    """One file that can be fetched."""

    path: str
    url: str
    size: int | None = None
    sha256: str | None = None
    member: str | None = None  # of the zip archive at ``url``


@dataclass(frozen=True)
class ModelSet:
    """Files that are used together."""

    name: str
    what: str
    licence: str
    page: str
    files: tuple[ModelFile, ...]


def read_catalogue(name: str) -> list[ModelSet]:
    """The sets of files of ``models`` or ``bfm``."""
    sets = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return [
        ModelSet(key, value["what"], value["licence"], value["page"], tuple(ModelFile(**f) for f in value["files"]))
        for key, value in sets.items()
    ]


def read_recorded(root: Path) -> dict[str, str]:
    """SHA-256 by path, as earlier downloads recorded them."""
    recorded = root / RECORDED
    if not recorded.is_file():
        return {}
    lines = [line.split(maxsplit=1) for line in recorded.read_text(encoding="utf-8").splitlines()]
    return {words[1]: words[0] for words in lines if len(words) == 2 and len(words[0]) == 64}


def record(root: Path, path: str, sha256: str) -> None:
    """Add a file's checksum to those recorded."""
    everything = {**read_recorded(root), path: sha256}
    target = root / RECORDED
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(everything.items())), encoding="utf-8")
    part.replace(target)
