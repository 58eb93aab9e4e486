"""What mends a dataset folder, in words that a user can follow: which tasks make what is missing, or what they lack.

A cure names commands that work on the folder as it is: tasks whose files are missing come first, and where the video is
needed and gone it says where to put it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.wholeness import READS, TRACK, TRANSFORMS_TRAIN, count_frames
from media.images import read_rgb, read_rgb_or_rgba, read_rgba

_TASK_OF = {"ori_imgs": 3, "parsing": 4, "torso_imgs": 6, "gt_imgs": 6}


def cure(folder: DatasetFolder, task: int) -> str:
    """What makes the files of ``task`` anew: "run preprocess.sh with --task 8, then with --task 9"."""
    steps = _steps(folder, task)
    if not {1, 3} & set(steps):
        return "run preprocess.sh " + ", then ".join(f"with --task {step}{_options(folder, step)}" for step in steps)
    if _has_video(folder):
        return "run preprocess.sh again"
    video = f"put the video that it was made from beside the folder as {folder.root.name}.mp4"
    if steps == [1, 2]:
        return f"put its sound there as aud.wav and run preprocess.sh with --task 2, or {video}"
    return f"{video} and run preprocess.sh again"


def read_picture(folder: DatasetFolder, path: Path, *, alpha: bool | None = False) -> np.ndarray:
    """A picture of the dataset, RGB or with ``alpha`` RGBA, uint8 [H, W, 3 or 4]; as the file is where that is None.

    Raises:
        EGSTalkerError: it is missing or damaged; says what makes it again.
    """
    try:
        return {None: read_rgb_or_rgba, False: read_rgb, True: read_rgba}[alpha](path)
    except EGSTalkerError as error:
        raise EGSTalkerError(f"{str(error).partition(';')[0]}; {picture_cure(folder, path)}") from error


def picture_cure(folder: DatasetFolder, path: Path) -> str:
    """What makes a picture of the dataset again."""
    return f"{'delete it and ' if path.exists() else ''}{cure(folder, _TASK_OF.get(path.parent.name, 5))}"


def _steps(folder: DatasetFolder, task: int) -> list[int]:
    """``task`` and the tasks that it needs first, in their order; poses belong to their track, and follow it."""
    num_frames, steps, waiting = count_frames(folder), {task}, [task]
    while waiting:
        for artefact in READS[waiting.pop()]:
            if artefact.times(folder, num_frames) is None and artefact.task not in steps:
                steps.add(artefact.task)
                waiting.append(artefact.task)
    return sorted(steps | ({TRANSFORMS_TRAIN.task} if TRACK.task in steps else set()))


def _options(folder: DatasetFolder, task: int) -> str:
    """The extractor to ask for where the dataset's own cannot run here."""
    from data_utils.audio_features import DEFAULT_EXTRACTOR, can_run
    from data_utils.audio_features.dataset_features import default_extractor

    return "" if task != 2 or can_run(default_extractor(folder)) else f" --asr {DEFAULT_EXTRACTOR}"


def _has_video(folder: DatasetFolder) -> bool:
    from data_utils.source import locate  # loads PyAV, which a head does without

    try:
        return locate(folder.root)[1] is not None
    except EGSTalkerError:
        return False
