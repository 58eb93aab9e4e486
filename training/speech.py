"""The speech model of a model folder: learnt before its head, or again for other features."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from arguments.clock import FPS
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from data_utils.progress import progress
from data_utils.sound_lag import IN_STEP
from motion.model_motion import ModelMotion, learn_from_clip
from motion.report import write_motion_report
from motion.speech_training import Expectation
from scene.head_files import read_record
from training.dataset import TalkingHeadDataset
from training.log import say


def learn_speech_of(
    folder: ModelFolder,
    motion: ModelMotion,
    dataset: TalkingHeadDataset,
    *,
    priors: Sequence[Path] = (),
    seed: int,
    device: str,
) -> ModelMotion:
    """Learn the speech model of a clip, write it and its report, and say what to expect of it.

    Args:
        folder: of the model.
        motion: its motion.
        dataset: the clip.
        priors: folders of other people's datasets, or of models that learnt from them.
        seed: of everything random.
        device: where the networks learn.

    Raises:
        EGSTalkerError: a prior cannot be used.
    """
    others = [_dataset_of(path, dataset.folder) for path in priors]
    usable = dataset.usable_mask(dataset.train)
    begun = time.monotonic()
    with ExitStack() as stack:

        @functools.cache
        def shown(steps: int) -> Callable[[int], None]:
            return stack.enter_context(progress("speech model", steps, unit="step"))

        speech, expected = learn_from_clip(
            motion,
            dataset.folder,
            usable,
            priors=others,
            seed=seed,
            device=device,
            done=lambda step, steps: shown(steps)(1),
        )
    speech.save(folder.speech_model)
    train = motion.train
    features = dataset.audio[:train].flatten(1).numpy()
    write_motion_report(
        folder.motion_report, motion.code, motion.measured[:train].numpy(), features, usable[:train], expected
    )
    if speech.settings.by_phones:
        say(
            "the clip holds hardly any speech: lips will move as phones usually move them; a clip with ten seconds of "
            "speech, or --speech_prior with another person's dataset, does better"
        )
    for line in expectation_lines(expected):
        say(line)
    say(f"speech model learnt in {time.monotonic() - begun:.0f} s: {folder.motion_report} shows it")
    return replace(motion, speech=speech)


def _dataset_of(path: Path, own: DatasetFolder) -> DatasetFolder:
    """The dataset that a prior's folder is, or that the model in it learnt from."""
    if not path.is_dir():
        raise EGSTalkerError(f"there is no folder {path} for --speech_prior")
    folder = DatasetFolder(Path(read_record(path).dataset) if ModelFolder(path).settings.is_file() else path)
    if not folder.root.is_dir():
        raise EGSTalkerError(f"{path} learnt from {folder.root}, which is gone: --speech_prior needs that dataset")
    if folder.root.resolve() == own.root.resolve():
        raise EGSTalkerError(f"{path} is the clip's own: --speech_prior takes other people's")
    return folder


def expectation_lines(expected: Expectation) -> list[str]:
    """What to expect of a speech model, and a warning where picture and sound of its clip are apart."""
    lines = [
        f"lips from sound, in parts of the clip left out in turn: gap correlation {expected.correlation[0]:.2f}, of "
        f"its change {expected.velocity:.2f}, spread {expected.spread:.2f}, {expected.closed_lips()}"
    ]
    if expected.lag not in IN_STEP:
        late = "after" if expected.lag > 0 else "before"
        lines.append(
            f"the lips of this clip move {abs(expected.lag) * 1000 / FPS:.0f} ms {late} its sound says so: shift the "
            "sound of the video, or films will be out of step"
        )
    return lines
