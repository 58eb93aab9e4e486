"""Seconds and frames a second of each preprocessing task: python -m benchmarks.preprocess video.mp4 [--json F]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from arguments.atomic import write_json
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError, door


def measure(video: Path, folder: Path, tracker: str) -> list[dict]:
    """Run all tasks on ``video`` into an empty ``folder``; a row for each and one for all."""
    from data_utils.preprocess import preprocess
    from data_utils.source import Source

    outcomes = list(preprocess(DatasetFolder(folder), Source(video), tracker=tracker))
    timed = [(outcome.task.name, outcome.seconds) for outcome in outcomes]
    timed.append(("all", sum(seconds for _, seconds in timed)))
    frames = outcomes[-1].num_frames
    return [
        {"task": name, "seconds": round(seconds, 3), "frames_per_second": round(frames / max(seconds, 1e-9), 1)}
        for name, seconds in timed
    ]


@door
def main() -> None:
    """Measure, print a table, and write the rows if asked."""
    parser = argparse.ArgumentParser(prog="benchmarks.preprocess", description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--tracker", default="mediapipe")
    parser.add_argument("--json", type=Path, metavar="F", help="write the rows here")
    arguments = parser.parse_args()
    if not arguments.video.is_file():
        raise EGSTalkerError(f"{arguments.video} does not exist; give the path of a video")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments.video, Path(folder) / "dataset", arguments.tracker)
    print(f"{'task':<24}{'seconds':>9}{'frames/s':>10}")
    for row in rows:
        print(f"{row['task']:<24}{row['seconds']:>9.2f}{row['frames_per_second']:>10.1f}")
    if arguments.json:
        write_json(arguments.json, rows)


if __name__ == "__main__":
    sys.exit(main())
