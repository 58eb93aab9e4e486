"""Which heads are to say which sounds: all of two folders with each other, or the pairs of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from arguments.errors import EGSTalkerError
from arguments.foreign_text import printable
from arguments.model_folder import ModelFolder
from fleet.farm import SETTINGS, Farm
from fleet.manifest import NAME
from fleet.videos import VIDEOS

HEAD_FILE = ".head"
SOUNDS = (
    *(".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".amr", ".ac3"),
    *VIDEOS,
)  # endings by which a folder's sounds are known
COLUMNS = ("head", "sound")
LARGEST = 32 << 20  # bytes of a table
MOST_ROWS = 200_000
MOST_LINES = 20  # of wrong rows that are told
MOST_LETTERS = 4096  # of a cell


@dataclass(frozen=True)
class Pair:
    """A head that says a sound."""

    head: Path
    """Model folder or head file."""
    sound: Path
    name: str = ""
    """Of the film; by the sound's if empty."""


def heads_in(path: Path) -> dict[str, Path]:
    """The heads of a folder, by their names: head files, model folders, or a farm's heads that are trained.

    A model folder or a head file is taken as well.

    Raises:
        EGSTalkerError: there is none.
    """
    if not path.exists():
        raise EGSTalkerError(f"{path} does not exist; give a folder of heads: .head files, model folders, or a farm")
    if _is_head(path):
        heads = {path.stem if path.is_file() else path.name: path}
    elif (path / SETTINGS).is_file():
        farm = Farm(str(path))
        trained = [source for source in farm.sources() if farm.receipt(source.name, "train") is not None]
        heads = {source.name: farm.head(source).model.root for source in trained}
    else:
        inside = sorted(path.iterdir()) if path.is_dir() else []
        heads = {one.name.removesuffix(HEAD_FILE): one for one in inside if _is_head(one)}
    if not heads:
        raise EGSTalkerError(f"there is no head in {path}: no .head file, no model folder, and no farm's trained head")
    return {name: one.absolute() for name, one in heads.items()}


def sounds_in(paths: Sequence[Path]) -> list[Path]:
    """The sounds among files and folders: a folder's by their endings, a file whatever it is called.

    Raises:
        EGSTalkerError: something is not there, or there is no sound at all.
    """
    sounds: list[Path] = []
    for path in paths:
        if path.is_dir():
            sounds += sorted(one for one in path.iterdir() if one.suffix.lower() in SOUNDS and one.is_file())
        elif path.is_file():
            sounds.append(path)
        else:
            raise EGSTalkerError(f"{path} does not exist; give sounds, or folders of them")
    if not sounds:
        raise EGSTalkerError(f"there is no sound in {', '.join(map(str, paths))}; their names end in .wav, .mp3 ...")
    return list(dict.fromkeys(path.absolute() for path in sounds))


def all_pairs(heads: Mapping[str, Path], sounds: Sequence[Path]) -> list[Pair]:
    """Every head with every sound."""
    return [Pair(head, sound) for head in heads.values() for sound in sounds]


def read_pairs(
    table: Path, heads: Mapping[str, Path], sounds: Sequence[Path], say: Callable[[str], None]
) -> list[Pair]:
    """The pairs of a csv table with the columns head, sound and, if wanted, name.

    Args:
        table: UTF-8, commas or semicolons between cells.
        heads: which a cell may name; else it is a path, that begins in the table's folder if it is not absolute.
        sounds: which a cell may name by the file's name; else a path, as well.
        say: takes a line for each row that will not do.

    Raises:
        EGSTalkerError: it is no such table, or a row will not do.
    """
    rows = _rows(table)
    by_name = {one.name: one for one in reversed(sounds)}
    pairs: list[Pair] = []
    wrong, taken = [], set()
    for number, row in rows:
        try:
            pair = _pair(row, table.parent, heads, by_name)
            known = (pair.head, pair.name.lower() or pair.sound)
            if known in taken:
                raise EGSTalkerError("the same film is in an earlier row; give it a name of its own")
            taken.add(known)
            pairs.append(pair)
        except EGSTalkerError as error:
            wrong.append(f"{table}, row {number}: {error}")
    for line in wrong[:MOST_LINES]:
        say(line)
    if wrong:
        more = f" (the first {MOST_LINES} are above)" if len(wrong) > MOST_LINES else ""
        raise EGSTalkerError(f"{len(wrong)} of {len(rows)} rows of {table} will not do{more}; no film was made")
    return pairs


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Cells by their columns, with the row's number, the header's being 1."""
    try:
        if not table.is_file():
            raise EGSTalkerError(f"there is no table {table}")
        if table.stat().st_size > LARGEST:
            raise EGSTalkerError(f"{table} is too large to be a table of pairs; at most {LARGEST >> 20} MB")
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise EGSTalkerError(f"{table} is no text in UTF-8; save it as CSV UTF-8") from error
    except OSError as error:
        raise EGSTalkerError(f"{table} cannot be read: {error.strerror}") from error
    first = text.strip().partition("\n")[0]
    try:
        read = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first and "," not in first else ",")
        rows = [(read.line_num, row) for row in read if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise EGSTalkerError(f"{table} is no csv table: {error}") from error
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise EGSTalkerError(f"{table} has no column {missing[0]!r}; its first line is: head,sound or head,sound,name")
    named = [name for name in header if name in (*COLUMNS, "name")]
    if len(set(named)) < len(named):
        raise EGSTalkerError(f"{table} has two columns of one name; remove one")
    if not 1 < len(rows) <= MOST_ROWS + 1:
        raise EGSTalkerError(f"{table} has {len(rows) - 1} rows of pairs; give 1 to {MOST_ROWS}")
    return [(number, {name: cell.strip() for name, cell in zip(header, row, strict=False)}) for number, row in rows[1:]]


def _pair(row: Mapping[str, str], folder: Path, heads: Mapping[str, Path], sounds: Mapping[str, Path]) -> Pair:
    head, sound, name = (row.get(column, "") for column in (*COLUMNS, "name"))
    for column, cell in (("head", head), ("sound", sound)):
        if not cell:
            raise EGSTalkerError(f"it has no {column}")
        if len(cell) > MOST_LETTERS or not cell.isprintable():
            raise EGSTalkerError(f"its {column} is no name of a file: {printable(cell)[:40]!r}")
    if name and not NAME.fullmatch(name):
        raise EGSTalkerError(f"its name {printable(name)[:40]!r} is not up to 80 letters, digits, '.', '_' and '-'")
    model, file = heads.get(head, folder / head), sounds.get(sound, folder / sound)
    try:
        if not _is_head(model):
            raise EGSTalkerError(f"there is no head {printable(head)!r}: neither by that name nor at that path")
        if not file.is_file():
            raise EGSTalkerError(f"there is no sound {printable(sound)!r}")
    except OSError as error:
        raise EGSTalkerError(f"what it names cannot be looked at: {error.strerror}") from error
    return Pair(model.absolute(), file.absolute(), name)


def _is_head(path: Path) -> bool:
    if path.is_dir():
        return ModelFolder(path).settings.is_file() and ModelFolder(path).all_checkpoints.is_dir()
    return path.suffix == HEAD_FILE and path.is_file()
