#!/usr/bin/env python3
"""Render a trained head: the frames it learnt from, the held-out ones, and any other speech."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from arguments.errors import EGSTalkerError, door
from arguments.model_folder import ModelFolder


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="render.py", description=__doc__)
    parser.add_argument("-s", "--source_path", type=Path, required=True, help="data set folder")
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model")
    parser.add_argument("--force", action="store_true", help="render over another dataset than the model's own")
    parser.add_argument("--configs", type=Path, help="configuration file; checked only: the model carries its settings")
    parser.add_argument(
        "--torso",
        choices=("learnt", "frames"),
        default="learnt",
        help="neck and shoulders of the model, where it has learnt them, or the clip's pictures of them",
    )
    parser.add_argument("--iteration", type=int, help="checkpoint of the fine stage (the latest)")
    parser.add_argument("--batch", type=int, help="frames rendered at once (4 on a CPU, 32 on a GPU)")
    parser.add_argument("--custom_aud", type=Path, help=".npy with other speech's features, made as the data set's")
    parser.add_argument("--custom_wav", type=Path, help="other speech's sound; alone, its features are made here")
    parser.add_argument("--skip_train", action="store_true", help="no video of the training frames")
    parser.add_argument("--skip_test", action="store_true", help="no video of the held-out frames")
    parser.add_argument("--device", help="cpu, cuda, or cuda:1 of several (what is here and can render)")
    options = parser.parse_args(arguments)
    if options.batch is not None and options.batch < 1:
        parser.error("--batch is at least 1")
    return options


@door
def main() -> None:
    options = parse()
    for path in (options.custom_aud, options.custom_wav):
        if path is not None and not path.is_file():
            raise EGSTalkerError(f"there is no file {path}")

    from arguments.settings import load_config
    from data_utils.progress import track
    from gaussian_renderer.devices import choose_device
    from scene.head_files import load_head
    from scene.reference_clip import ReferenceClip
    from synthesis.pairing import check_own_clip
    from synthesis.signal import motion_of
    from synthesis.torso import torso_of
    from synthesis.videos import custom_video, split_videos

    load_config(options.configs)
    device = choose_device(options.device)
    head, record, iteration = load_head(options.model_path, options.iteration, device)
    dataset = ReferenceClip(options.source_path)
    check_own_clip(record, dataset, options.model_path, force=options.force)
    model, motion = ModelFolder(options.model_path), motion_of(head, options.model_path)
    torso = torso_of(options.model_path, options.torso, device)
    for split, frames, skipped in (
        ("train", dataset.train, options.skip_train),
        ("test", dataset.val, options.skip_test),
    ):
        if not skipped:
            watch = functools.partial(track, title=split)
            folder = model.videos(split, iteration)
            count = split_videos(
                head, dataset, frames, folder, motion=motion, torso=torso, batch=options.batch, watch=watch
            )
            print(f"{folder / 'renders.mp4'} and gt.mp4: {count} frames")
    if options.custom_aud or options.custom_wav:
        watch = functools.partial(track, title="custom")
        target = model.videos("custom", iteration) / "renders.mp4"
        sound, features = options.custom_wav, options.custom_aud
        count = custom_video(
            *(head, dataset, target),
            sound=sound,
            features=features,
            motion=motion,
            torso=torso,
            batch=options.batch,
            watch=watch,
        )
        print(f"{target}: {count} frames")


if __name__ == "__main__":
    sys.exit(main())
