"""What the commands' logs say: how far a command is, and what a clip is like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from arguments.command_log import lines_of

TASK_NAMES = (
    *("audio", "audio features", "frames", "face parsing", "background"),
    *("torso and ground truth", "landmarks", "tracking", "transforms"),
)
_TASK = re.compile(r"\[(\d)/9\] ([^:]+): (.*)")
_COUNT = re.compile(r"(.+?): (\d+) of (\d+|\?) (\w+?)s, (\d+) a second(?:, (\d+) s left)?")
_TRAINING = re.compile(r"(coarse|fine) (\d+) \((\d+)/(\d+)\) .*?([\d.]+) it/s (\d+) s left")
_QUALITY = re.compile(r"  (\w+) +(.*?)(?:  <- (.*))?")
_OPTION = re.compile(r",? or [^,;]*--\w+[^,;]*")  # advice for those who have a shell
_PARTS = {
    "val": "driven by its sound",
    "val_measured": "driven by what was measured",
    "val_torso": "with its shoulders",
    "torso": "neck and shoulders",
}
_STAGES = {"coarse": "the head at rest", "fine": "the head that moves"}


@dataclass(frozen=True)
class Progress:
    """How far a command is."""

    words: str
    """What it does."""
    share: float | None = None
    """Of the command, 0..1; None: not known."""
    rate: str = ""
    left: float | None = None
    """Seconds that the part which is shown will take."""


def preprocess_progress(lines: list[str]) -> Progress:
    """How far the nine tasks are."""
    for line in reversed(lines):
        found = _TASK.fullmatch(line)
        if found is None:
            continue
        number, name, rest = int(found[1]), found[2], found[3]
        count = _COUNT.fullmatch(f"{name}: {rest}")
        if count is None:  # it is done, and the next has said nothing yet
            what = f"task {number + 1} of 9: {TASK_NAMES[number]}" if number < 9 else "all nine tasks are done"
            return Progress(what, number / 9)
        part = int(count[2]) / int(count[3]) if count[3] not in ("?", "0") else 0.0
        left = float(count[6]) if count[6] else None
        return Progress(
            f"task {number} of 9: {name}, {count[2]} of {count[3]} {count[4]}s",
            (number - 1 + min(part, 1.0)) / 9,
            f"{count[5]} {count[4]}s a second",
            left,
        )
    return Progress("looking at the video" if lines else "starting")


def training_progress(lines: list[str]) -> Progress:
    """How far a training is."""
    for line in reversed(lines):
        found = _TRAINING.fullmatch(line)
        if found:
            done, total = int(found[3]), int(found[4])
            what = f"{_STAGES[found[1]]}: iteration {done} of {total}"
            return Progress(what, done / max(total, 1), f"{found[5]} iterations a second", float(found[6]))
        if _COUNT.fullmatch(line):
            return _counted(line)
    return Progress("speech and first iterations" if lines else "starting")


def counted_progress(lines: list[str]) -> Progress:
    """How far any other command is."""
    return next((_counted(line) for line in reversed(lines) if _COUNT.fullmatch(line)), Progress("at work"))


def _counted(line: str) -> Progress:
    found = _COUNT.fullmatch(line)
    assert found is not None, "asked for lines that count alone"
    total = int(found[3]) if found[3] != "?" else 0
    share = int(found[2]) / total if total else None
    rate = f"{found[5]} {found[4]}s a second"
    what = f"{_PARTS.get(found[1], found[1])}: {found[2]} of {found[3]} {found[4]}s"
    return Progress(what, share, rate, float(found[6]) if found[6] else None)


PROGRESS = {"preprocess": preprocess_progress, "train": training_progress}


def progress_of(step: str, path: Path) -> Progress:
    """How far the command of a step is, by its log."""
    return PROGRESS.get(step, counted_progress)(lines_of(path))


@dataclass(frozen=True)
class QualityLine:
    """One quality of a clip."""

    name: str
    value: str
    limit: str = ""


def qualities(path: Path) -> list[QualityLine]:
    """What ``process.py --inspect`` has said of a clip, a line for each quality, without the options of commands."""
    found = [_QUALITY.fullmatch(line) for line in lines_of(path)]
    named = [one for one in found if one and not one[1].isdigit() and one[1] != "nothing"]  # the last line counts them
    return [QualityLine(one[1], one[2], _OPTION.sub("", one[3] or "")) for one in named]
