"""Runs the tasks that a dataset folder lacks, in order, and says how it goes."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.locks import exclusive
from data_utils import wholeness
from data_utils.audio_features import DEFAULT_EXTRACTOR, EXTRACTORS
from data_utils.crop import DEFAULT_SIZE
from data_utils.cures import cure
from data_utils.face_parsing import DEFAULT_PARSER, PARSERS
from data_utils.source import Source, chosen_size, with_size
from data_utils.staging import sweep
from data_utils.tasks import TASKS, Preparation, Task
from data_utils.wholeness import count_frames, fingerprints, up_to_date

logger = logging.getLogger(__name__)

BFM_MODEL = Path(__file__).parent / "face_tracking" / "3DMM" / "3DMM_info.safetensors"  # as convert_BFM.py writes it

Progress = Callable[[Task, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Outcome:
    """What became of one task."""

    task: Task
    seconds: float
    num_frames: int
    skipped: bool  # it was whole already
    warnings: tuple[str, ...] = ()  # that it gave, a line each


def preprocess(
    folder: DatasetFolder,
    source: Source | None,
    *,
    only: int | None = None,
    extractor: str = DEFAULT_EXTRACTOR,
    parser: str = DEFAULT_PARSER,
    tracker: str = "mediapipe",
    size: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Run the nine tasks, or one, on a dataset folder; yields each outcome as it comes.

    Args:
        source: the video, or what stands in for it; None where it is gone and the tasks that read it are whole.
        only: the number of the one task to run.
        size: pixels of the frames' side, where the video has as many; None: what was asked for before, else the usual.
        progress: makes a context manager for a task and its number of frames (0: not known yet); what it yields is
            called with numbers of frames finished.

    Raises:
        EGSTalkerError: a name that no registry has; a size out of range; something that a task needs is missing; the
            video will not do.
    """
    _check("audio features", extractor, EXTRACTORS)
    _check("parser", parser, PARSERS)
    if tracker != "mediapipe":
        from data_utils.face_tracking import TRACKERS

        _check("tracker", tracker, TRACKERS)
    size = chosen_size(source, size, folder)
    source = with_size(source, size) if source else None
    run = Preparation(folder, source, extractor, parser, tracker, size)
    if tracker == "bfm" and only in (None, 8) and not _is_whole(TASKS[7], run):
        from data_utils.face_tracking.bfm import check_installed

        check_installed()  # before the minutes that the other tasks take
    if only in (None, 1, 3):
        _say_if_replaced(run)
    with exclusive(folder.root) if folder.root.is_dir() or source else nullcontext():
        sweep(folder.root)
        for task in TASKS:
            if only in (None, task.number):
                yield _run(task, run, progress)


def default_tracker() -> str:
    """bfm where its converted model is there and the tracker, too; mediapipe elsewhere."""
    if not BFM_MODEL.is_file():
        return "mediapipe"
    from data_utils.face_tracking import TRACKERS

    return "bfm" if "bfm" in TRACKERS else "mediapipe"


def _run(task: Task, run: Preparation, progress: Progress | None) -> Outcome:
    begin = time.perf_counter()
    if _is_whole(task, run):
        return Outcome(task, time.perf_counter() - begin, run.num_frames, skipped=True)
    lacking = _lacking(task, run)
    if lacking:
        raise EGSTalkerError(lacking)
    with _noted() as warnings, progress(task, run.num_frames) if progress else nullcontext(run.done) as done:
        task.run(dataclasses.replace(run, done=done))
    record, number = run.folder.read_record(), str(task.number)
    # What was made from what this task wrote before is judged by the files' times alone, and so made anew.
    outdated = {str(other.number) for other in TASKS if set(other.reads) & set(task.writes)}
    made = {other: value for other, value in record.get("made", {}).items() if other not in outdated}
    run.folder.update_record(
        tasks={**record.get("tasks", {}), number: task.made_with(run)},
        made={**made, number: fingerprints(run.folder, (*task.reads, *task.writes))},
    )
    return Outcome(task, time.perf_counter() - begin, run.num_frames, skipped=False, warnings=tuple(warnings))


def _is_whole(task: Task, run: Preparation) -> bool:
    record, number = run.folder.read_record(), str(task.number)
    if record.get("tasks", {}).get(number) not in (None, task.made_with(run)) or _is_of_another_size(task, run):
        return False
    if run.source is None and number not in record.get("tasks", {}):
        kept = _is_another_programs(task, run.folder, record)
        if kept is not None:
            return kept
    return up_to_date(run.folder, task.reads, task.writes, run.num_frames, record.get("made", {}).get(number))


def _is_of_another_size(task: Task, run: Preparation) -> bool:
    return wholeness.size_made_with(run.folder, task.number) != task.made_with(run).get("size")


def _is_another_programs(task: Task, folder: DatasetFolder, record: dict[str, Any]) -> bool | None:
    """Whether what a task would write was left whole by another program, whose files' times say nothing.

    What its readers do not need may be missing, and so may the sound where features of it are there. None where files'
    times decide: features are made once, to be recorded, and anew is made what comes of anything made here.
    """
    num_frames = count_frames(folder)
    heard = wholeness.AUDIO.times(folder, num_frames) is not None
    if task.number in (1, 2) and not heard:
        return wholeness.is_sound(wholeness.FEATURES, folder, num_frames)
    made_here = {int(number) for number in record.get("tasks", {})}
    if task.number == wholeness.FEATURES.task or made_here & {artefact.task for artefact in task.reads}:
        return None
    return all(wholeness.is_there(artefact, folder, num_frames) for artefact in task.writes if artefact.needed)


def _say_if_replaced(run: Preparation) -> None:
    recorded = run.folder.read_record().get("source")
    if run.source and isinstance(recorded, dict) and recorded.get("sha256") != run.identity.get("sha256"):
        logger.warning(
            "%s is another video than the one that %s was made from (%s, %s bytes); it is made anew",
            *(run.source.path, run.folder.root, recorded.get("name"), recorded.get("size")),
        )


@contextmanager
def _noted() -> Iterator[list[str]]:
    """The warnings that the package logs within the block."""
    texts: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("data_utils")
    logger.addHandler(handler)
    try:
        yield texts
    finally:
        logger.removeHandler(handler)


def _lacking(task: Task, run: Preparation) -> str | None:
    """All that ``task`` reads and is not whole, and what makes it; None where nothing is."""
    folder, num_frames = run.folder, run.num_frames
    needed, remedies, gone = [], [], False
    for artefact in task.reads:
        if not wholeness.is_there(artefact, folder, num_frames):
            gone |= run.source is None and artefact.task in (1, 3)
            there = len(artefact.files(folder))
            extent = f" ({there} of {num_frames} are there)" if "*" in artefact.name and there else ""
            needed.append(artefact.name.split("*")[0] + extent)
            remedies.append(f"--task {artefact.task}")
        elif _is_of_another_size(TASKS[artefact.task - 1], run):
            size = run.size or DEFAULT_SIZE
            needed.append(f"{artefact.name.split('*')[0]} of --size {size}")
            remedies.append(f"--task {artefact.task} --size {size}")
    if not needed:
        return None
    return f"task {task.number} needs {_and(needed)}: {cure(folder, task.number) if gone else 'run ' + _and(remedies)}"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _check(kind: str, name: str, registry: Iterable[str]) -> None:
    if name not in set(registry):
        raise EGSTalkerError(f"no {kind} called {name!r}; choose from {', '.join(registry)}")
