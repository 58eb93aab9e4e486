"""Turn a video into a dataset folder: python data_utils/process.py data/input.mp4 [--task N] -> data/input/."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first on the path; the packages lie one above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from arguments.errors import EGSTalkerError, door

TASKS_HELP = (
    "1 audio, 2 audio features, 3 frames, 4 face parsing, 5 background, 6 torso and ground truth, 7 landmarks, "
    "8 tracking, 9 transforms; by default all that are not whole yet"
)


def parse_arguments() -> argparse.Namespace:
    """The command line's settings."""
    from data_utils.audio_features import extractor_table

    table = "\n  ".join(["audio features (--asr):", *extractor_table()])
    parser = argparse.ArgumentParser(
        prog="process.py", description=__doc__, epilog=table, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="a video, or a dataset folder to go on with")
    parser.add_argument("--task", type=int, default=-1, choices=[-1, *range(1, 10)], metavar="N", help=TASKS_HELP)
    parser.add_argument(
        "--tracker",
        help="head tracker: mediapipe, or bfm (default: the one used before, else bfm where it is installed)",
    )
    parser.add_argument("--asr", help="audio features, see below (default: those there are, else log_mel_phones)")
    parser.add_argument(
        "--parser", help="face parser: mediapipe (default), or bisenet with the weights of download_models.sh"
    )
    parser.add_argument(
        "--audio_track",
        type=int,
        metavar="N",
        help="of several audio tracks, the one to take, from 1 on (default: the one used before, else the default one, "
        "else the one with most speech)",
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="pixels of the frames' side, where the square around the head has as many: an even number from 256 to "
        "1024 (default: the one used before, else 512)",
    )
    parser.add_argument(
        "--inspect", action="store_true", help="only say what of the clip will limit the head; nothing is made"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="with --inspect: keep its figures in this file")
    arguments = parser.parse_args()
    if arguments.json and not arguments.inspect:
        parser.error("--json goes with --inspect")
    return arguments


@door
def main() -> None:
    """Say what the clip is like, run the tasks and report each in one line."""
    arguments = parse_arguments()
    logging.basicConfig(level=logging.WARNING, format="warning: %(message)s")

    from arguments.atomic import write_json
    from data_utils.audio_features.dataset_features import default_extractor
    from data_utils.clip_report.report import inspect_clip
    from data_utils.preprocess import default_tracker, preprocess
    from data_utils.progress import progress
    from data_utils.source import chosen_size, is_new, locate, with_size, with_track
    from data_utils.summary import summary

    folder, source = locate(arguments.path)
    size = chosen_size(source, arguments.size, folder)
    if source is not None:
        source = with_size(with_track(source, arguments.audio_track, folder), size)
    if arguments.inspect:
        if source is None:
            raise EGSTalkerError(f"the video that {folder.root} was made from is gone; give --inspect a video")
        report = inspect_clip(source)
        print(report.page())
        if arguments.json:
            write_json(arguments.json, report.to_json())
        return
    recorded = folder.read_record()
    tracked_with = recorded.get("tracker") if folder.track_params.is_file() else None
    tracker = arguments.tracker or tracked_with or default_tracker()
    if arguments.tracker is None and arguments.task in (-1, 8):
        missing = "" if tracker == "bfm" else " (no converted BFM model is installed)"
        print(f"tracker: {tracker}" + (" (as before)" if tracked_with else missing))
    looks = arguments.task == -1 and source is not None and is_new(source, folder)
    clip = inspect_clip(source) if source is not None and looks else None
    if clip is not None:
        print(clip.page(), flush=True)
    outcomes = []
    for outcome in preprocess(
        folder,
        source,
        only=None if arguments.task == -1 else arguments.task,
        extractor=arguments.asr or default_extractor(folder),
        parser=arguments.parser or recorded.get("parser", "mediapipe"),
        tracker=tracker,
        size=size,
        progress=lambda task, frames: progress(f"[{task.number}/9] {task.name}", frames),
    ):
        outcomes.append(outcome)
        if clip is not None and len(outcomes) == 1:  # the folder is there now, and nobody else writes in it
            write_json(folder.clip_report, clip.to_json())
        if outcome.skipped:
            result = "whole already"
        else:
            rate = outcome.num_frames / max(outcome.seconds, 1e-6)
            result = f"{outcome.num_frames} frames in {outcome.seconds:.1f} s ({rate:.0f} a second)"
        print(f"[{outcome.task.number}/9] {outcome.task.name}: {result}", flush=True)
    if len(outcomes) > 1:
        print(summary(outcomes))


if __name__ == "__main__":
    sys.exit(main())
