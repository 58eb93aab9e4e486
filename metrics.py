#!/usr/bin/env python3
"""Measure a trained head: pictures, lips, eyes and speed, into metrics.json in the model's folder."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from arguments.errors import EGSTalkerError, door
from arguments.model_folder import ModelFolder


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="metrics.py", description=__doc__)
    parser.add_argument("-s", "--source_path", type=Path, required=True, help="data set folder")
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model")
    parser.add_argument("--force", action="store_true", help="score on another dataset than the model's own")
    parser.add_argument("--iteration", type=int, help="checkpoint of the fine stage (the latest)")
    parser.add_argument(
        "--splits",
        nargs="+",
        choices=("val", "val_measured", "val_torso", "train"),
        help="frames to measure on; val_measured: those of val, driven by the motion that was measured in them; "
        "val_torso: those with the torso that the model has learnt (all of val that there are)",
    )
    parser.add_argument("--custom_wav", type=Path, help="other speech: its video is written and its speed measured")
    parser.add_argument("--batch", type=int, help="frames rendered at once (4 on a CPU, 32 on a GPU)")
    parser.add_argument("--device", help="cpu, cuda, or cuda:1 of several (what is here and can render)")
    options = parser.parse_args(arguments)
    if options.batch is not None and options.batch < 1:
        parser.error("--batch is at least 1")
    return options


@door
def main() -> None:
    options = parse()
    if options.custom_wav is not None and not options.custom_wav.is_file():
        raise EGSTalkerError(f"there is no file {options.custom_wav}")

    from rich.console import Console

    from data_utils.progress import track
    from evaluation.evaluate import evaluate_speech, evaluate_split
    from evaluation.origin import Origin
    from evaluation.scores import kept_sets, write_scores
    from evaluation.tables import reasons_for_dashes, scores_table
    from gaussian_renderer.devices import choose_device
    from scene.head_files import load_head
    from scene.reference_clip import ReferenceClip
    from synthesis.pairing import check_own_clip
    from synthesis.signal import measured_signal, motion_of
    from synthesis.torso import own_torso

    device = choose_device(options.device)
    head, record, iteration = load_head(options.model_path, options.iteration, device)
    dataset, folder = ReferenceClip(options.source_path), ModelFolder(options.model_path)
    check_own_clip(record, dataset, options.model_path, force=options.force)
    motion = motion_of(head, options.model_path)
    torso = own_torso(options.model_path, device)
    there = ["val", *(["val_measured"] if motion else []), *(["val_torso"] if torso else [])]
    if torso is None and "val_torso" in (options.splits or ()):
        raise EGSTalkerError("there is no torso to measure: leave out val_torso")
    origin, sets = Origin.of(head, dataset, iteration, motion, torso.torso if torso else None), {}
    for split in dict.fromkeys(options.splits or there):
        watch = functools.partial(track, title=split)
        frames = dataset.train if split == "train" else dataset.val
        signal = measured_signal(motion, dataset) if split == "val_measured" else None
        sets[split] = evaluate_split(
            *(head, dataset, frames),
            origin=origin,
            motion=motion,
            torso=torso if split == "val_torso" else None,
            signal=signal,
            batch=options.batch,
            watch=watch,
        )
    if options.custom_wav is not None:
        watch = functools.partial(track, title="custom")
        target = folder.videos("custom", iteration) / "renders.mp4"
        sets["custom"] = evaluate_speech(
            head, dataset, options.custom_wav, target, origin=origin, motion=motion, batch=options.batch, watch=watch
        )
    kept, dropped = kept_sets(folder.scores, sets, origin)
    write_scores(folder.scores, {**kept, **sets})
    Console().print(scores_table(sets))
    for line in reasons_for_dashes(sets):
        print(line)
    for line in dropped:
        print(line)
    print(folder.scores)


if __name__ == "__main__":
    sys.exit(main())
