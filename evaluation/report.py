"""report.json and report.png of a trained head: seconds, size, figures, and truth | render | error.

Usage: python -m evaluation.report --dataset demo/sample --model_path demo/model --stages demo/stages.json --output demo
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
from pathlib import Path

import numpy as np

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError, door
from arguments.model_folder import ModelFolder
from data_utils.cures import read_picture
from evaluation.comparison import Comparison, comparison_sheet
from evaluation.scores import Scores, read_scores
from media.images import write_image
from motion.model_motion import ModelMotion
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip
from synthesis.rendering import synthesise
from synthesis.script import script_of_frames
from synthesis.signal import own_signal

ROWS = 4  # frames in the picture


def compare_frames(
    head: GaussianHead, clip: ReferenceClip, frames: range, count: int = ROWS, *, motion: ModelMotion | None = None
) -> list[Comparison]:
    """``count`` frames, spread over those of ``frames`` that show the person, rendered and beside their truth."""
    usable = clip.usable(frames)
    places = np.unique(np.linspace(0, len(usable) - 1, min(count, len(usable))).round().astype(int))
    numbers = [usable[k] for k in places]
    renders = synthesise(head, clip, script_of_frames(clip, numbers, own_signal(motion, clip)), batch=1)
    return [
        Comparison(i, read_picture(clip.folder, clip.folder.ground_truth_image(i)), render)
        for i, render in zip(numbers, renders, strict=True)
    ]


def write_report(
    output: Path, *, stages: dict[str, float], gaussians: int, scores: Scores, comparisons: list[Comparison]
) -> None:
    """Write report.json and report.png into the folder ``output``."""
    write_json(output / "report.json", {"stages": stages, "gaussians": gaussians, "metrics": scores.as_json()})
    write_image(output / "report.png", comparison_sheet(comparisons, scores))


def read_stages(path: Path) -> dict[str, float]:
    """Seconds by stage from a flat JSON object.

    Raises:
        EGSTalkerError: the file is missing or is something else.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise EGSTalkerError(f"there is no {path}; ./demo.sh writes it") from None
    except (ValueError, OSError) as error:
        raise EGSTalkerError(f"{path} is not a JSON object of seconds; run ./demo.sh again") from error
    good = isinstance(value, dict) and all(
        type(seconds) in (int, float) and math.isfinite(seconds) for seconds in value.values()
    )
    if not good:
        raise EGSTalkerError(f"{path} is not a JSON object of seconds; run ./demo.sh again")
    return value


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="data set folder")
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model")
    parser.add_argument("--stages", type=Path, required=True, help="JSON object of seconds by stage")
    parser.add_argument("--output", type=Path, required=True, help="folder for report.json and report.png")
    return parser.parse_args(arguments)


@door
def main() -> None:
    """Report on the held-out frames; figures are taken from metrics.json where they are this checkpoint's."""
    options = parse()
    from data_utils.progress import track
    from evaluation.evaluate import evaluate_split
    from evaluation.origin import Origin
    from evaluation.scores import kept_sets, write_scores
    from gaussian_renderer.devices import choose_device
    from scene.head_files import load_head
    from synthesis.film import make_writable
    from synthesis.pairing import check_own_clip
    from synthesis.signal import motion_of

    stages = read_stages(options.stages)
    head, record, iteration = load_head(options.model_path, device=choose_device(None))
    motion = motion_of(head, options.model_path)
    dataset = ReferenceClip(options.dataset)
    check_own_clip(record, dataset, options.model_path)
    make_writable(options.output)
    figures = ModelFolder(options.model_path).scores
    origin = Origin.of(head, dataset, iteration, motion)
    scores = read_scores(figures).get("val")
    if scores is None or not origin.same_work(scores.made_from):
        watch = functools.partial(track, title="val")
        scores = evaluate_split(head, dataset, dataset.val, origin=origin, motion=motion, watch=watch)
        kept, dropped = kept_sets(figures, ["val"], origin)
        write_scores(figures, {**kept, "val": scores})
        for line in dropped:
            print(line)
    comparisons = compare_frames(head, dataset, dataset.val, motion=motion)
    write_report(options.output, stages=stages, gaussians=head.num_gaussians, scores=scores, comparisons=comparisons)
    print(f"{options.output / 'report.json'} and report.png")


if __name__ == "__main__":
    sys.exit(main())
