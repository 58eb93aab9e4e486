"""The speech model of a model folder: learnt before its head, or again for other features."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from arguments.clock import FPS
from arguments.model_folder import ModelFolder
from data_utils.progress import progress
from motion.model_motion import ModelMotion, learn_from_clip
from motion.report import write_motion_report
from motion.speech_training import Expectation
from training.dataset import TalkingHeadDataset
from training.log import say

IN_STEP = range(-2, 2)  # frames by which lips come after their sound; people's get ready about one before it


def learn_speech_of(
    folder: ModelFolder, motion: ModelMotion, dataset: TalkingHeadDataset, *, seed: int, device: str
) -> ModelMotion:
    """Learn the speech model of a clip, write it and its report, and say what to expect of it."""
    usable = np.zeros(dataset.num_frames, dtype=bool)
    usable[dataset.learnt] = True
    begun = time.monotonic()
    with ExitStack() as stack:

        @functools.cache
        def shown(steps: int) -> Callable[[int], None]:
            return stack.enter_context(progress("speech model", steps, unit="step"))

        speech, expected = learn_from_clip(
            motion, dataset.folder, usable, seed=seed, device=device, done=lambda step, steps: shown(steps)(1)
        )
    speech.save(folder.speech_model)
    train = motion.train
    features = dataset.audio[:train].flatten(1).numpy()
    write_motion_report(
        folder.motion_report, motion.code, motion.measured[:train].numpy(), features, usable[:train], expected
    )
    for line in expectation_lines(expected):
        say(line)
    say(f"speech model learnt in {time.monotonic() - begun:.0f} s: {folder.motion_report} shows it")
    return replace(motion, speech=speech)


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
