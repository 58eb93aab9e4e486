"""The heads that there are: made, looked up, and what is known of each."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError
from live.page.home import HeadFolder, Home, film_in, next_folder, slug
from live.page.job import Job
from live.page.jobs import Line
from live.page.uploads import Limits, clip_of, give_to_head, take_sound
from live.page.work import QUALITIES, Speech, film_steps, has_gpu, head_steps


@dataclass(frozen=True)
class Point:
    """A line of metrics.jsonl."""

    iteration: int
    loss: float | None
    psnr: float | None
    held_out: float | None


@dataclass(frozen=True)
class HeadState:
    """What is known of a head."""

    name: str
    quality: str
    asked: float
    speaks: bool
    gaussians: int | None
    megabytes: float
    scores: dict[str, Any]
    """Of metrics.json, by set of frames."""


def make_head(home: Home, line: Line, clip_number: object, words: str, quality: str) -> Job:
    """Begin a head of a clip, or put it in the line.

    Raises:
        EGSTalkerError: the clip is gone, the name is none or taken, or this machine cannot make that quality.
    """
    clip, name = clip_of(home.clip(clip_number)), slug(words)
    if quality not in QUALITIES or (QUALITIES[quality].needs_gpu and not has_gpu()):
        raise EGSTalkerError("choose how good the head should be, among what this computer can make")
    head = home.new_head(name)
    try:
        head.root.mkdir()
    except FileExistsError:
        raise EGSTalkerError(f"there is a head called {name} already; give another name") from None
    video = give_to_head(clip, head)
    write_json(head.stages, {})
    write_json(head.record, {"quality": quality, "asked": time.time()})
    return line.add("head", name, head_steps(head, video, quality), stages=str(head.stages))


def make_film(home: Home, line: Line, name: object, sent: object, speech: Speech, limits: Limits) -> Job:
    """Begin a film of a head that says a sound that was sent or, where there is none, a text.

    Raises:
        EGSTalkerError: there is no such head, it cannot speak yet, or there is nothing to say.
    """
    head = home.head(name)
    if not can_speak(head):
        raise EGSTalkerError(f"{head.name} has not learnt to speak yet")
    sound = take_sound(home, head, sent, limits) if sent else None
    speech = Speech(sound, speech.text, speech.pose, speech.background, speech.seed)
    film_steps(head, head.films, speech)  # what cannot be done is refused before a folder is made
    film = next_folder(head.films)
    return line.add("film", head.name, film_steps(head, film, speech), result=film.name)


def can_speak(head: HeadFolder) -> bool:
    """Whether a head has learnt to move, and its lips what they hear."""
    moves = any(part.root.name.startswith("fine-") for part in head.model.checkpoints())
    return moves and head.model.speech_model.is_file()


def can_be_live(head: HeadFolder) -> bool:
    """Whether a head that can speak has all that it takes to answer: its own torso, and what it keeps of its clip."""
    return can_speak(head) and head.model.torso.is_file() and head.model.kept_clip.is_file()


def state_of(head: HeadFolder) -> HeadState:
    """What is known of a head now."""
    record, model = read_object(head.record), head.model
    points = [value.get("gaussians") for value in read_lines(model.log)]
    latest = max(model.checkpoints(), key=lambda part: part.root.name, default=None)
    files = [model.torso, model.kept_clip, model.expression_code, model.speech_model, model.body_motion]
    files += [latest.weights] if latest else []
    return HeadState(
        name=head.name,
        quality=str(record.get("quality", "")),
        asked=float(record.get("asked", 0.0)),
        speaks=can_speak(head),
        gaussians=next((count for count in reversed(points) if isinstance(count, int)), None),
        megabytes=sum(path.stat().st_size for path in files if path.is_file()) / 1e6,
        scores=read_object(model.scores),
    )


def curve(head: HeadFolder) -> list[Point]:
    """What the training has written of itself."""
    return [
        Point(value["iteration"], *(_number(value.get(name)) for name in ("loss", "psnr", "val_psnr")))
        for value in read_lines(head.model.log)
        if isinstance(value.get("iteration"), int)
    ]


def newest_picture(head: HeadFolder) -> str | None:
    """The name of the picture that shows what the head can do by now; None where there is none yet."""
    if head.model.torso_validation.is_file():
        return "torso"
    names = [path.stem for path in (head.model.root / "validation").glob("*-*.png")]
    return max(names, key=lambda name: (name.startswith("fine"), name), default=None)


@dataclass(frozen=True)
class Film:
    """One film of a head."""

    number: str
    there: bool
    """Whether it is whole."""
    job: Job | None
    """That makes it, or has made it."""


def films_of(head: HeadFolder, jobs: Sequence[Job]) -> list[Film]:
    """A head's films, the newest first."""
    made = {job.result: job for job in jobs if job.kind == "film" and job.subject == head.name}
    folders = [path for path in head.films.glob("*") if path.is_dir()]
    return [
        Film(folder.name, film_in(folder) is not None, made.get(folder.name))
        for folder in sorted(folders, key=lambda path: path.name, reverse=True)
    ]


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file is missing or is something else."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file's lines; a line that is being written is left out."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    values = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            values.append(value)
    return values


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value == value else None
