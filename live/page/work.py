"""The commands of each kind of job: those that the shell scripts run, natively."""

from __future__ import annotations

import functools
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from arguments.errors import EGSTalkerError
from live.page.home import HeadFolder
from live.page.job import Step
from live.page.jobs import ROOT

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
POSES = {"As in the video": "reference", "Motion of its own": "own", "Still": "still"}
FILMED, COLOURED, TRANSPARENT = "As filmed", "A colour", "None (transparent)"
BACKGROUNDS = (FILMED, COLOURED, TRANSPARENT)
MOST_WORDS = 5000  # letters of a text that is spoken
MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Quality:
    """How much work goes into a head."""

    words: str
    config: str
    needs_gpu: bool = False


QUALITIES = {
    "quick": Quality("Quick: a small head, to see whether the video will do", "arguments/demo.py"),
    "good": Quality("Good: made for a computer without a graphics card", "arguments/cpu.py"),
    "best": Quality("Best: needs an NVIDIA graphics card", "arguments/args.py", needs_gpu=True),
}
TITLES = {
    "inspect": "Looking at the video",
    "preprocess": "Preparing the video",
    "train": "Learning the head",
    "metrics": "Measuring it on frames it has not learnt from",
    "report": "Comparing it with the video",
    "predict": "Making the film",
}


@dataclass(frozen=True)
class Speech:
    """What a film shows and says."""

    sound: Path | None = None
    text: str = ""
    pose: str = "reference"
    background: str = "clip"
    seed: int = 0


def python(*arguments: str | Path) -> tuple[str, ...]:
    """A command of the checkout."""
    return (sys.executable, *map(str, arguments))


def inspect_steps(clip: Path) -> list[Step]:
    """Say what a clip is like."""
    report = clip.with_name("clip_report.json")
    return [Step("inspect", python("data_utils/process.py", clip, "--inspect", "--json", report))]


def head_steps(head: HeadFolder, clip: Path, quality: str) -> list[Step]:
    """Make a head of a clip, from the video to the picture beside the truth.

    Raises:
        EGSTalkerError: there is no such quality.
    """
    if quality not in QUALITIES:
        raise EGSTalkerError("choose how good the head should be")
    dataset, model = head.dataset.root, head.model.root
    return [
        Step("preprocess", python("data_utils/process.py", clip)),
        Step("train", python("train.py", "-s", dataset, "--model_path", model, "--configs", QUALITIES[quality].config)),
        Step("metrics", python("metrics.py", "-s", dataset, "--model_path", model)),
        Step(
            "report",
            python(
                *("-m", "evaluation.report", "--dataset", dataset, "--model_path", model),
                *("--stages", head.stages, "--output", head.report),
            ),
        ),
    ]


def film_steps(head: HeadFolder, film: Path, speech: Speech) -> list[Step]:
    """Let a head speak, into the folder ``film``.

    Raises:
        EGSTalkerError: there is nothing to say, or what the browser sent for the rest is none of what it may be.
    """
    if speech.pose not in POSES.values():
        raise EGSTalkerError("choose how the head is held")
    if speech.background not in ("clip", "transparent") and not COLOUR.fullmatch(speech.background):
        raise EGSTalkerError("choose a colour such as #00ff00")
    if not 0 <= speech.seed <= MOST_SEED:
        raise EGSTalkerError(f"the seed is a number from 0 to {MOST_SEED}")
    said = _said(speech)
    options = [f"--pose={speech.pose}", f"--background={speech.background}", f"--seed={speech.seed}"]
    if speech.background == "transparent":
        options.append("--format=webm")  # browsers play it
    if not head.model.kept_clip.is_file():
        options.append(f"--reference_path={head.dataset.root}")
    where = [f"--model_path={head.model.root}", f"--output_dir={film}"]
    return [Step("predict", python("predict.py", said, *where, *options))]


def _said(speech: Speech) -> str:
    if speech.sound is not None:
        return f"--audio_path={speech.sound}"
    text = " ".join(speech.text.split())
    if not text or not has_voices():
        raise EGSTalkerError("give it a sound file, or record one")
    if len(text) > MOST_WORDS:
        raise EGSTalkerError(f"the text has {len(text)} letters; give at most {MOST_WORDS} at once")
    return f"--text={text}"


def has_voices() -> bool:
    """Whether a text can be spoken here."""
    return importlib.util.find_spec("synthesis.voices") is not None


@functools.cache
def has_gpu() -> bool:
    """Whether PyTorch can use a GPU here; asked in another process, as loading it takes time and memory."""
    question = "import sys; from arguments.device import gpu_count; sys.exit(0 if gpu_count() else 1)"
    return subprocess.run([sys.executable, "-c", question], cwd=ROOT, capture_output=True, check=False).returncode == 0


def qualities_here() -> list[str]:
    """The qualities that this machine can make, the usual one first."""
    return ["best", "good", "quick"] if has_gpu() else ["good", "quick"]
