"""The folder of the page, and the checks of all that a browser names in it.

home/clips/0001/       a video that was given: clip.mp4, and clip_report.json when it was looked at
     heads/anna/       a head: head.json, clip.mp4, clip/ (dataset), model/, report/, stages.json
       sounds/0001.wav what it was given to say
       films/0001/     what it says
     jobs/0001/        what was asked for: job.json, log.txt
     uploads/          what browsers send, until it is taken or thrown away
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
NUMBER = re.compile(r"\d{4,9}")
PICTURE = re.compile(r"(?:coarse|fine)-\d{5,9}|torso")
FILMS = (".mp4", ".webm")


def slug(words: str) -> str:
    """The name of a folder that words make: small letters, digits and dashes.

    Raises:
        EGSTalkerError: nothing of them is left.

    Example:
        >>> slug("../Anna Müller")
        'anna-muller'
    """
    plain = unicodedata.normalize("NFKD", words[:200]).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    if not SLUG.fullmatch(name):
        raise EGSTalkerError("give the head a name of letters and digits")
    return name


@dataclass(frozen=True)
class HeadFolder:
    """Paths of one head."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def record(self) -> Path:
        return self.root / "head.json"

    @property
    def dataset(self) -> DatasetFolder:
        return DatasetFolder(self.root / "clip")

    @property
    def model(self) -> ModelFolder:
        return ModelFolder(self.root / "model")

    @property
    def report(self) -> Path:
        """Folder of report.json and report.png."""
        return self.root / "report"

    @property
    def stages(self) -> Path:
        """Seconds that each step took, as evaluation/report.py reads them."""
        return self.root / "stages.json"

    @property
    def sounds(self) -> Path:
        return self.root / "sounds"

    @property
    def films(self) -> Path:
        return self.root / "films"

    def clip(self) -> Path | None:
        """The video that it is made from; None where it is gone."""
        return next((path for path in sorted(self.root.glob("clip.*")) if path.is_file()), None)


@dataclass(frozen=True)
class Home:
    """Where everything of the page lies."""

    root: Path

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def clips(self) -> Path:
        return self.root / "clips"

    def make(self) -> None:
        """Make what is missing of the folders. Raises EGSTalkerError where that is not allowed."""
        try:
            for folder in (self.jobs, self.uploads, self.clips, self.root / "heads"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EGSTalkerError(f"cannot write to {self.root} ({error.strerror}); give another --home") from error

    def heads(self) -> list[HeadFolder]:
        """All heads, the newest first."""
        there = [HeadFolder(path) for path in (self.root / "heads").glob("*") if SLUG.fullmatch(path.name)]
        there = [head for head in there if head.record.is_file()]
        return sorted(there, key=lambda head: head.record.stat().st_mtime, reverse=True)

    def head(self, name: object) -> HeadFolder:
        """The head of a name. Raises EGSTalkerError where it is none or there is no such head."""
        folder = self.new_head(name)
        if not folder.record.is_file():
            raise EGSTalkerError(f"there is no head called {folder.name}")
        return folder

    def new_head(self, name: object) -> HeadFolder:
        """Where the head of a name lies, or will. Raises EGSTalkerError where the name is none."""
        if not isinstance(name, str) or not SLUG.fullmatch(name):
            raise EGSTalkerError("that is not the name of a head")
        return HeadFolder(self.inside(self.root / "heads" / name))

    def clip(self, number: object) -> Path:
        """The folder of a clip. Raises EGSTalkerError where there is none."""
        folder = self.clips / checked_number(number)
        if not folder.is_dir():
            raise EGSTalkerError("that video is gone; give it again")
        return self.inside(folder)

    def film(self, name: object, number: object) -> Path:
        """A head's film. Raises EGSTalkerError where there is none."""
        folder = self.head(name).films / checked_number(number)
        film = film_in(folder)
        if film is None:
            raise EGSTalkerError("there is no such film")
        return self.inside(film)

    def picture(self, name: object, picture: object) -> Path:
        """A head's picture: "report", or one of its training. Raises EGSTalkerError where there is none."""
        head = self.head(name)
        if picture == "report":
            path = head.report / "report.png"
        elif isinstance(picture, str) and PICTURE.fullmatch(picture):
            path = head.model.root / "validation" / f"{picture}.png"
        else:
            raise EGSTalkerError("there is no such picture")
        if not path.is_file():
            raise EGSTalkerError("there is no such picture")
        return self.inside(path)

    def upload(self, path: object) -> Path:
        """A file that was sent. Raises EGSTalkerError where it is anything else."""
        if not isinstance(path, (str, Path)) or "\0" in str(path):
            raise EGSTalkerError("that is no file that was sent to this page")
        real = Path(path).resolve()
        if not real.is_relative_to(self.uploads.resolve()) or not real.is_file():
            raise EGSTalkerError("that is no file that was sent to this page")
        return real

    def inside(self, path: Path) -> Path:
        """The path, if it lies in the home wherever links lead. Raises EGSTalkerError otherwise."""
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise EGSTalkerError(f"{path.name} is not in the folder of this page")
        return path


def film_in(folder: Path) -> Path | None:
    """The film that is whole in a folder; None where there is none yet."""
    there = [path for path in sorted(folder.glob("[!.]*")) if path.suffix in FILMS and path.is_file()]
    return there[0] if there else None


def checked_number(number: object) -> str:
    """The number of a clip, job or film, as its folder is called. Raises EGSTalkerError where it is none."""
    if not isinstance(number, str) or not NUMBER.fullmatch(number) or not number.isascii():
        raise EGSTalkerError("that is not a number of this page")
    return number


def next_folder(parent: Path) -> Path:
    """Make and return the next numbered folder: 0001, 0002, ..."""
    parent.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in parent.iterdir() if NUMBER.fullmatch(path.name)), default=0)
    while True:
        number += 1
        folder = parent / f"{number:04d}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue  # somebody else was faster
        return folder
