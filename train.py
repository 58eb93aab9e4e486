#!/usr/bin/env python
"""Learn a Gaussian head from a dataset folder: python train.py -s data/input --model_path output/m."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from arguments.atomic import sweep_leftovers
from arguments.errors import EGSTalkerError, door
from arguments.locks import exclusive
from arguments.model_folder import ModelFolder


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-s", "--source_path", type=Path, required=True, help="dataset folder that preprocess.sh made")
    parser.add_argument("--model_path", "-m", type=Path, required=True, help="folder of the model; a run in it goes on")
    parser.add_argument("--configs", type=Path, default=Path(__file__).parent / "arguments" / "args.py")
    parser.add_argument("--iterations", type=int, help="iterations of the fine stage (default: the configuration's)")
    parser.add_argument("--batch", type=int, help="frames a fine iteration (default: the configuration's)")
    parser.add_argument(
        "--test_iterations", type=int, nargs="*", default=[], help="further iterations to validate after"
    )
    parser.add_argument("--save_iterations", type=int, nargs="*", default=[], help="further iterations to save after")
    parser.add_argument("--device", help="cpu, cuda, or cuda:1 of several (what is here and can render)")
    parser.add_argument(
        "--gpus", type=int, default=1, metavar="N", help="share each batch among the first N GPUs (1); rounded up to N"
    )
    parser.add_argument(
        "--speech_prior",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="other people's datasets, or models: a short clip's lips are learnt from their speech too",
    )
    parser.add_argument(
        "--torso",
        choices=("learnt", "frames"),
        default="learnt",
        help="learn neck and shoulders after the head (learnt), or let films show the clip's pictures of them (frames)",
    )
    parser.add_argument(
        "--only", choices=("speech", "torso"), help="learn speech model or torso of a model that is there again"
    )
    parser.add_argument("--use_wandb", action="store_true", help="log to Weights & Biases (WANDB_MODE=offline works)")
    return parser.parse_args()


@door
def main() -> None:
    options = parse()
    from training.log import training_log

    folder = ModelFolder(options.model_path)
    with exclusive(folder.root), training_log(folder, os.environ.get("TRAINING_LOG")):
        sweep_leftovers(folder.all_checkpoints)
        run(options)


def run(options: argparse.Namespace) -> None:
    """Train as the command line says."""
    from arguments.device import on_gpu
    from arguments.settings import load_config
    from gaussian_renderer.devices import choose_device
    from training.followers import check_cards
    from training.loop import learn_speech, learn_torso, train
    from training.options import TrainOptions

    model, training = load_config(options.configs)
    for name in ("iterations", "batch"):
        value = getattr(options, name)
        if value is not None:
            if value < 1:
                raise EGSTalkerError(f"--{name} must be at least 1, not {value}")
            training = replace(training, **{name: value})
    device = choose_device(options.device)
    check_cards(device, options.gpus)
    if options.gpus > 1 and not on_gpu(device):
        raise EGSTalkerError(f"--gpus {options.gpus} is for GPUs, and this would be a training on the CPU")
    work = {"speech": learn_speech, "torso": learn_torso, None: train}[options.only]
    work(
        TrainOptions(
            source_path=options.source_path,
            model_path=options.model_path,
            model=model,
            training=training,
            device=device,
            use_wandb=options.use_wandb,
            test_iterations=tuple(options.test_iterations),
            save_iterations=tuple(options.save_iterations),
            speech_prior=tuple(options.speech_prior),
            torso=options.torso == "learnt",
            processes=options.gpus,
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
