"""The pipeline judged on made-up people whose truth is known: ``python -m benchmarks.people [--quick] [--cases a,b]``.

Each case is one of the sample's people (``sample/people.py``): a film of some seconds is drawn, made into a dataset and
compared with its truth; then a small head is trained on it for a minute and scored on the frames that were held out,
in which their own measured codes drive it: what sound tells of lips is judged on longer clips.
It shows at a glance what a change of tracker, parser or training does for whom.

The films are kept in the output folder and drawn again only when they are missing; everything else is made anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.dataset_folder import DatasetFolder
from arguments.device import CPU
from arguments.errors import EGSTalkerError, door, one_line
from arguments.settings import load_config
from sample.people import PEOPLE, person

CONFIGS = Path(__file__).parent.parent / "arguments" / "demo.py"
COARSE_ITERATIONS = 100
COLUMNS = {
    "rotation_degrees": ("rotation (deg)", "{:.2f}", 1),
    "jitter_degrees": ("jitter (deg)", "{:.3f}", 1),
    "median_pixels": ("pose, median (px)", "{:.2f}", 1),
    "frames_off": ("pose off > 3 px (%)", "{:.0f}", 100),
    "trusted_off": ("... and trusted (%)", "{:.0f}", 100),
    "untrusted": ("without trust (%)", "{:.0f}", 100),
    "head_iou": ("head IoU", "{:.3f}", 1),
    "body_iou": ("body IoU", "{:.3f}", 1),
    "background_levels": ("background (of 255)", "{:.1f}", 1),
    "head_psnr": ("head (dB)", "{:.1f}", 1),
    "landmark_distance": ("mouth (px)", "{:.2f}", 1),
    "blink_depth": ("blink depth", "{:.2f}", 1),
    "head_off": ("film off > 3 px (%)", "{:.0f}", 100),
    "seconds": ("seconds", "{:.0f}", 1),
}
"""Label, form and factor of a row's figures in the table, in its order."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large a benchmark is."""

    seconds: float = 15.0  # the shortest film whose held-out end has two blinks
    size: int = 256  # pixels of the film's shorter side
    seed: int = 0
    iterations: int = 250  # of the fine stage; 0: tracker and parser alone


def judge(name: str, folder: Path, scale: Scale) -> dict[str, Any]:
    """Make the film of a person in ``folder``, a dataset of it and a head; returns the figures of COLUMNS.

    Raises:
        EGSTalkerError: the pipeline refuses the film; says why.
    """
    from benchmarks.parsing_accuracy import parsing_accuracy
    from benchmarks.sample_truth import read_sample_truth
    from benchmarks.track_accuracy import track_accuracy
    from data_utils.preprocess import preprocess
    from data_utils.progress import progress
    from data_utils.source import Source

    begun = time.monotonic()
    film = folder / f"{name}-{scale.seconds:g}s-{scale.size}-{scale.seed}.mp4"
    truth_path = film.with_name(f"{film.stem}_truth.npz")
    if not (film.is_file() and truth_path.is_file()):
        draw(name, film, scale)
    dataset, model = DatasetFolder(film.with_suffix("")), film.with_name(f"{film.stem}-model")
    for made in (dataset.root, model):
        shutil.rmtree(made, ignore_errors=True)
    for _ in preprocess(
        dataset,
        Source(film),
        progress=lambda task, frames: progress(f"{name}: [{task.number}/9] {task.name}", frames),
    ):
        pass
    truth = read_sample_truth(truth_path, dataset)
    figures: dict[str, Any] = {"case": name, "frames": len(truth.present)}
    figures |= dataclasses.asdict(track_accuracy(dataset, truth)) | dataclasses.asdict(parsing_accuracy(dataset, truth))
    if scale.iterations:
        figures |= scores_of_head(dataset.root, model, scale.iterations)
    return figures | {"seconds": round(time.monotonic() - begun, 1)}


def draw(name: str, film: Path, scale: Scale) -> None:
    """Make a person's film with its truth beside it."""
    from data_utils.progress import progress
    from sample.recording import make_sample

    one = person(name)
    frames = round(scale.seconds * one.behaviour.rate)
    with progress(f"{name}: drawing", frames) as done:
        make_sample(
            film, scale.seconds, scale.size, scale.seed, lambda *_: done(1), looks=one.looks, behaviour=one.behaviour
        )


def scores_of_head(dataset: Path, model: Path, iterations: int) -> dict[str, float | None]:
    """Train a small head on a dataset and measure it on what is held out."""
    from benchmarks.film_accuracy import film_accuracy
    from evaluation.scoring import score_video
    from evaluation.truth import read_true_frame
    from scene.head_files import load_head
    from scene.reference_clip import ReferenceClip
    from synthesis.rendering import synthesise
    from synthesis.script import script_of_frames
    from synthesis.signal import measured_signal, motion_of
    from training.loop import train
    from training.options import TrainOptions

    settings, training = load_config(CONFIGS)
    training = dataclasses.replace(training, coarse_iterations=COARSE_ITERATIONS, iterations=iterations)
    train(TrainOptions(dataset, model, settings, training, CPU, speech=False))
    head, _, _ = load_head(model, None, CPU)
    clip, motion = ReferenceClip(dataset), motion_of(head, model, needs_speech=False)
    codes, shown = measured_signal(motion, clip), clip.usable(clip.val)
    renders = list(synthesise(head, clip, script_of_frames(clip, shown, codes)))  # one or two seconds of small frames
    truths = [read_true_frame(clip.folder, i) for i in shown]
    scores = score_video(renders, truths, lpips=None, lpips_absent="it is not looked at here").as_dict()
    film = film_accuracy(renders, truths)
    return {name: scores[name] for name in ("head_psnr", "landmark_distance", "blink_depth")} | dataclasses.asdict(film)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table; a dash is what was not measured. A case that failed says why below it."""
    lines = ["| person | " + " | ".join(label for label, _, _ in COLUMNS.values()) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for row in rows:
        cells = [
            form.format(factor * row[name]) if row.get(name) is not None else "-"
            for name, (_, form, factor) in COLUMNS.items()
        ]
        lines.append(f"| {row['case']} | " + " | ".join(cells) + " |")
    lines += [f"\n{row['case']}: {row['error']}" for row in rows if "error" in row]
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    scale = Scale()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.people", description="Judge the pipeline on made-up people whose truth is known."
    )
    parser.add_argument("--cases", help=f"some of {', '.join(PEOPLE)}, with commas between (all)")
    parser.add_argument("--quick", action="store_true", help="tracker and parser only: no training")
    parser.add_argument("--seconds", type=float, default=scale.seconds, help=f"of each film ({scale.seconds:g})")
    parser.add_argument("--size", type=int, default=scale.size, help=f"pixels of its shorter side ({scale.size})")
    parser.add_argument("--seed", type=int, default=scale.seed, help="another seed says and does other things (0)")
    parser.add_argument("--iterations", type=int, default=scale.iterations, help=f"of training ({scale.iterations})")
    parser.add_argument("--output_dir", type=Path, default=Path("output/people"), help="(output/people)")
    parser.add_argument("--json", type=Path, metavar="F", help="keep the figures in this file")
    options = parser.parse_args()
    if options.iterations < 1:
        parser.error("--iterations is at least 1; --quick trains nothing")
    return options


@door
def main() -> None:
    """Judge each case, print the table, and keep the figures if asked, after each case."""
    options = _arguments()
    names = list(PEOPLE) if options.cases is None else [name.strip() for name in options.cases.split(",")]
    for name in names:
        person(name)  # an unknown one is told before anything is made
    scale = Scale(options.seconds, options.size, options.seed, 0 if options.quick else options.iterations)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    begun = time.monotonic()
    for name in names:
        try:
            rows.append(judge(name, options.output_dir, scale))
        except EGSTalkerError as error:
            rows.append({"case": name, "error": one_line(error)})
        if options.json:
            write_json(options.json, {"scale": dataclasses.asdict(scale), "rows": rows})
        a_case = (time.monotonic() - begun) / len(rows)
        left = f", about {a_case * (len(names) - len(rows)) / 60:.0f} min left" if len(rows) < len(names) else ""
        told = {key: round(value, 3) if isinstance(value, float) else value for key, value in rows[-1].items()}
        print(
            f"{len(rows)} of {len(names)}, {a_case:.0f} s each{left}: {json.dumps(told)}", file=sys.stderr, flush=True
        )
    print(markdown(rows), end="")
    failed = [row["case"] for row in rows if "error" in row]
    if failed:
        raise EGSTalkerError(f"{len(failed)} of {len(rows)} failed: {', '.join(failed)}; what stopped them is above")


if __name__ == "__main__":
    sys.exit(main())
