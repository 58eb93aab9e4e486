"""The method, its baseline and its ablations, trained and scored alike: ``python -m benchmarks.ablations -s DATASET``.

The baseline is GaussianTalker's modules (cross-attention, MLP decoders, dense planes) in this project's training and on
its tracking: it tells what the modules are worth, not what the published program does.

Each variant has a model folder of its own in the output folder; what is trained or scored already is kept, so that the
command goes on after a kill and can train on one machine and score on another. Writes ``ablations.md`` and
``ablations.json`` there.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from arguments.atomic import atomic_path, write_json
from arguments.errors import EGSTalkerError, door
from arguments.model_folder import ModelFolder
from arguments.settings import ModelSettings, TrainingSettings, load_config
from data_utils.progress import track
from evaluation.evaluate import evaluate_split
from evaluation.origin import Origin
from evaluation.scores import read_scores, write_scores
from gaussian_renderer.devices import choose_device
from scene.head_files import checkpoints, load_head
from scene.reference_clip import ReferenceClip
from synthesis.pairing import check_own_clip
from synthesis.signal import motion_of
from training.loop import train
from training.options import TrainOptions

GAUSSIANTALKER = {"attention": "cross", "decoder": "mlp", "planes": "dense", "ppe": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "EGSTalker": {},
    "driven by audio": {"drive": "audio"},
    "driven by audio, cross-attention": {"drive": "audio", "attention": "cross"},
    "driven by audio, MLP decoders": {"drive": "audio", "decoder": "mlp"},
    "driven by audio, GaussianTalker modules": {"drive": "audio", **GAUSSIANTALKER},
    "GaussianTalker modules": GAUSSIANTALKER,
    "cross-attention": {"attention": "cross"},
    "MLP decoders": {"decoder": "mlp"},
    "dense planes": {"planes": "dense"},
    "driven by audio, no PPE": {"drive": "audio", "ppe": False},
    "no static stage": {"static_init": False},
}
COLUMNS = {
    "gaussians": ("Gaussians", "{:,}"),
    "training_seconds": ("training (s)", "{:.0f}"),
    "composite_psnr": ("composite (dB)", "{:.2f}"),
    "head_psnr": ("head box (dB)", "{:.2f}"),
    "mouth_psnr": ("mouth box (dB)", "{:.2f}"),
    "face_psnr": ("head pixels (dB)", "{:.2f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "landmark_distance": ("mouth landmarks (px)", "{:.2f}"),
    "mouth_correlation": ("mouth corr.", "{:.3f}"),
    "mouth_velocity_correlation": ("mouth velocity corr.", "{:.3f}"),
    "mouth_amplitude": ("mouth amplitude", "{:.2f}"),
    "lip_closures_kept": ("closures kept", "{:.2f}"),
    "lip_closures_false": ("closures false", "{:.2f}"),
    "blink_correlation": ("blink corr. (given)", "{:.3f}"),
    "blink_depth": ("blink depth", "{:.2f}"),
    "render_fps": ("render (fps)", "{:.0f}"),
    "end_to_end_fps": ("sound to video (fps)", "{:.0f}"),
}
TIMES = "training_time.json"


def folder_of(variant: str, output: Path) -> Path:
    """Where a variant's model lies."""
    return output / variant.lower().replace(" ", "_")


def train_variant(
    variant: str, dataset: Path, output: Path, model: ModelSettings, training: TrainingSettings, device: str
) -> None:
    """Train what is missing of a variant; ``training_time.json`` says how long it took, unless it was interrupted."""
    folder = folder_of(variant, output)
    there = checkpoints(folder)
    if there and there[-1].progress.stage == "fine" and there[-1].progress.iteration >= training.iterations:
        return
    begun = time.perf_counter()
    train(TrainOptions(dataset, folder, replace(model, **VARIANTS[variant]), training, device))
    if not there:
        write_json(folder / TIMES, {"seconds": round(time.perf_counter() - begun, 1), "device": device})


def score_variant(variant: str, clip: ReferenceClip, output: Path, device: str) -> None:
    """Measure a variant on the held-out frames into its metrics.json, unless it holds this checkpoint's figures."""
    folder = folder_of(variant, output)
    target = ModelFolder(folder).scores
    head, record, iteration = load_head(folder, None, device)
    check_own_clip(record, clip, folder)
    motion = motion_of(head, folder)
    origin, there = Origin.of(head, clip, iteration, motion), read_scores(target).get("val")
    if there is not None and origin.same_work(there.made_from):
        return
    watch = functools.partial(track, title=variant)
    write_scores(target, {"val": evaluate_split(head, clip, clip.val, origin=origin, motion=motion, watch=watch)})


def row_of(variant: str, output: Path) -> dict[str, Any]:
    """A line of the table: what is known of a variant."""
    folder = folder_of(variant, output)
    row: dict[str, Any] = {"variant": variant}
    there = checkpoints(folder)
    if there:
        row["gaussians"] = json.loads(there[-1].folder.state.read_text())["gaussians"]
    for file, part in ((folder / TIMES, "seconds"), (ModelFolder(folder).scores, "val")):
        if file.is_file():
            value = json.loads(file.read_text())[part]
            row |= value if isinstance(value, Mapping) else {"training_seconds": value}
    return row


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table; a dash is what was not measured."""
    lines = ["| variant | " + " | ".join(label for label, _ in COLUMNS.values()) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for row in rows:
        cells = [form.format(row[name]) if row.get(name) is not None else "-" for name, (_, form) in COLUMNS.items()]
        lines.append(f"| {row['variant']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablations", description="Train and score the ablations."
    )
    parser.add_argument("--source_path", "-s", type=Path, required=True, help="data set folder")
    parser.add_argument("--output_dir", type=Path, default=Path("output/ablations"), help="(output/ablations)")
    parser.add_argument("--configs", type=Path, default=Path("arguments/args.py"), help="what the variants vary")
    parser.add_argument("--iterations", type=int, help="of the fine stage (the configuration's)")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="some of the variants")
    parser.add_argument("--device", help="what is here and can render")
    parser.add_argument("--skip_scores", action="store_true", help="train only")
    return parser.parse_args()


@door
def main() -> None:
    options = _arguments()
    model, training = load_config(options.configs)
    if options.iterations is not None:
        if options.iterations < 1:
            raise EGSTalkerError(f"--iterations must be at least 1, not {options.iterations}")
        training = replace(training, iterations=options.iterations)
    device = choose_device(options.device)
    for variant in options.only:
        print(f"{variant}: {folder_of(variant, options.output_dir)}", flush=True)
        train_variant(variant, options.source_path, options.output_dir, model, training, device)
    if not options.skip_scores:
        dataset = ReferenceClip(options.source_path)
        for variant in options.only:
            score_variant(variant, dataset, options.output_dir, device)
    rows = [
        row_of(variant, options.output_dir)
        for variant in VARIANTS
        if checkpoints(folder_of(variant, options.output_dir))
    ]
    write_json(options.output_dir / "ablations.json", {"configuration": options.configs.name, "rows": rows})
    with atomic_path(options.output_dir / "ablations.md") as path:
        path.write_text(markdown(rows))
    print(markdown(rows), end="")


if __name__ == "__main__":
    sys.exit(main())
