"""A folder of films: what each is made of, and which of them are whole.

films/films.json               which head says which sound in which film
      manifest.jsonl           what became of each film, line by line
      films.csv                all films in one table
      HEAD/SOUND.mp4           a film, which appears whole or not at all
      logs/                    what the programs have said that made them
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arguments.atomic import sweep_leftovers, write_json
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from fleet.farm import MANIFEST
from fleet.farm import SETTINGS as FARM
from fleet.manifest import NAME
from fleet.pairs import HEAD_FILE, Pair
from fleet.stages import MODEL
from fleet.storage import is_url
from fleet.videos import digest_of, safe_name

LIST, LOGS, TABLE = "films.json", "logs", "films.csv"


@dataclass(frozen=True)
class Film:
    """A head that says a sound."""

    head: str
    """The head's name: that of the folder."""
    name: str
    """The film's, without .mp4."""
    model: str
    """Where the head is."""
    sound: str
    """Where the sound is."""
    wanted: str = ""
    """The name that a table gives it."""
    recipe: str = ""
    """What it is made of, in one word: a film of another head, sound or seed has another."""


class FilmFolder:
    """The films at a path.

    Raises:
        EGSTalkerError: it cannot be a folder of films.
    """

    def __init__(self, path: str) -> None:
        if is_url(path):
            raise EGSTalkerError(f"{path}: films are made in a folder that all machines see")
        self.root = Path(path).absolute()
        if self.root.exists() and not self.root.is_dir():
            raise EGSTalkerError(f"{self.root} is not a folder; give another --out")
        if (self.root / FARM).exists():
            raise EGSTalkerError(f"{self.root} is a farm of heads; give films another --out")

    @property
    def manifest(self) -> Path:
        return self.root / MANIFEST

    @property
    def logs(self) -> Path:
        return self.root / LOGS

    def target(self, film: Film) -> Path:
        """Where a film is, if it is whole."""
        return self.root / film.head / f"{film.name}.mp4"

    def films(self) -> list[Film]:
        """All that were ever asked for.

        Raises:
            EGSTalkerError: films.json is damaged.
        """
        path = self.root / LIST
        try:
            value = json.loads(path.read_bytes())
            if value["format"] != 1:
                raise ValueError
            return [_film(one) for one in value["films"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise EGSTalkerError(f"{path} is damaged; give another --out") from error

    def ask(self, pairs: Sequence[Pair], seed: int) -> list[Film]:
        """Write down that these films are wanted; those that are whole and would be others now are removed.

        Args:
            pairs: of head and sound.
            seed: of all of them.

        Raises:
            EGSTalkerError: a head or a sound cannot be read, or a file that is no film of this folder is in the way.
        """
        there = {(one.head, one.name.lower()): one for one in self.films()}  # a place each
        known = {(one.model, one.sound, one.wanted): one for one in there.values()}
        heads = {one.model: one.head for one in there.values()}
        taken: dict[str, set[str]] = {}
        for one in there.values():
            taken.setdefault(one.head, set()).add(one.name.lower())
        digests: dict[Path, str] = {}
        asked, stale = [], []
        for pair in sorted(pairs, key=lambda pair: not pair.name):  # names that a table gives are not for others
            model, sound = str(pair.head), str(pair.sound)
            if model not in heads:
                stem = pair.head.name.removesuffix(HEAD_FILE) if pair.head.name != MODEL else pair.head.parent.name
                heads[model] = safe_name(stem, {one.lower() for one in (*heads.values(), LOGS)})
            head, before = heads[model], known.get((model, sound, pair.name))
            names = taken.setdefault(head, set())
            name = before.name if before else pair.name or safe_name(pair.sound.stem, names, "film")
            names.add(name.lower())
            if pair.head not in digests:
                digests[pair.head] = digest_of_head(pair.head)
            if pair.sound not in digests:
                digests[pair.sound] = digest_of(pair.sound)
            word = f"{digests[pair.head]} {digests[pair.sound]} {seed}"
            film = Film(head, name, model, sound, pair.name, hashlib.sha256(word.encode()).hexdigest()[:32])
            last = there.get((head, name.lower()))
            if self.target(film).exists():
                if last is None:
                    raise EGSTalkerError(f"{self.target(film)} is no film of this folder's list; give another --out")
                if last.recipe != film.recipe:
                    stale.append(film)
            there[head, name.lower()] = film
            asked.append(film)
        for film in stale:  # before the list says what they are to be
            self.target(film).unlink(missing_ok=True)
        write_json(self.root / LIST, {"format": 1, "films": [asdict(one) for one in there.values()]})
        return sorted(asked, key=lambda film: (film.head, film.name))

    def sweep(self, films: Iterable[Film]) -> None:
        """Remove what killed programs have left of films. Whoever calls holds the folder."""
        for folder in {self.target(film).parent for film in films}:
            if folder.is_dir():
                sweep_leftovers(folder)


def is_film_folder(path: str) -> bool:
    """Whether films have been asked for there."""
    return not is_url(path) and (Path(path) / LIST).is_file()


def digest_of_head(path: Path) -> str:
    """What tells a head from others: of its file, or of its latest checkpoint.

    Raises:
        EGSTalkerError: it cannot be read, or has learnt nothing yet.
    """
    if path.is_file():
        return digest_of(path)
    there = ModelFolder(path).checkpoints()
    if not there:
        raise EGSTalkerError(f"{path} has no checkpoint yet; let ./train.sh run to its first")
    last = max(there, key=lambda one: (one.root.name.startswith("fine"), int(one.root.name.partition("-")[2])))
    return digest_of(last.weights)


def _film(value: Any) -> Film:
    film = Film(**value)
    if not all(isinstance(one, str) for one in value.values()):
        raise TypeError
    if not (NAME.fullmatch(film.head) and NAME.fullmatch(film.name)):
        raise ValueError
    return film
