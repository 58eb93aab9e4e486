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
from synthesis.torso import LearntTorso, with_torso

ROWS = 4  # frames in the picture


def compare_frames(
    head: GaussianHead,
    clip: ReferenceClip,
    frames: range,
    count: int = ROWS,
    *,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
) -> list[Comparison]:
    """``count`` frames, spread over those of ``frames`` that show the person, rendered and beside their truth."""
    usable = clip.usable(frames)
    places = np.unique(np.linspace(0, len(usable) - 1, min(count, len(usable))).round().astype(int))
    numbers = [usable[k] for k in places]
    script = script_of_frames(clip, numbers, own_signal(motion, clip))
    renders = synthesise(head, clip, with_torso(script, torso, clip), batch=1)
    return [
        Comparison(i, read_picture(clip.folder, clip.folder.ground_truth_image(i)), render)
        for i, render in zip(numbers, renders, strict=True)
    ]


def write_report(
    output: Path,
    *,
    stages: dict[str, float],
    gaussians: int,
    scores: Scores,
    comparisons: list[Comparison],
    torso: Scores | None = None,
) -> None:
    """Write report.json and report.png into the folder ``output``; ``torso``: scores with the learnt torso."""
    with_torso = {} if torso is None else {"torso": torso.as_json()}
    report = {"stages": stages, "gaussians": gaussians, "metrics": scores.as_json(), **with_torso}
    write_json(output / "report.json", report)
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
    from synthesis.torso import own_torso

    stages = read_stages(options.stages)
    device = choose_device(None)
    head, record, iteration = load_head(options.model_path, device=device)
    motion = motion_of(head, options.model_path)
    dataset = ReferenceClip(options.dataset)
    check_own_clip(record, dataset, options.model_path)
    make_writable(options.output)
    figures = ModelFolder(options.model_path).scores
    torso = own_torso(options.model_path, device)
    origin = Origin.of(head, dataset, iteration, motion, torso.torso if torso else None)
    sets = {}
    for split, shown in {"val": None, **({"val_torso": torso} if torso else {})}.items():
        scores = read_scores(figures).get(split)
        if scores is None or not origin.same_work(scores.made_from):
            watch = functools.partial(track, title=split)
            scores = evaluate_split(head, dataset, dataset.val, origin=origin, motion=motion, torso=shown, watch=watch)
            kept, dropped = kept_sets(figures, [split], origin)
            write_scores(figures, {**kept, split: scores})
            for line in dropped:
                print(line)
        sets[split] = scores
    write_report(
        options.output,
        stages=stages,
        gaussians=head.num_gaussians + (torso.torso.count if torso else 0),
        scores=sets["val"],
        torso=sets.get("val_torso"),
        comparisons=compare_frames(head, dataset, dataset.val, motion=motion, torso=torso),
    )
    print(f"{options.output / 'report.json'} and report.png")


if __name__ == "__main__":
    sys.exit(main())
