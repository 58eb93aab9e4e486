"""Seconds, frames a second and memory of each preprocessing task: python -m benchmarks.preprocess video [--json F].

Memory is the most that the process and its workers had at once. The last row is the whole run, and how long one of
8,000 frames (five minutes of video) would take at its rate.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError, door
from benchmarks.process_memory import PeakMemory

LONG_CLIP = 8_000  # frames


def measure(video: Path, folder: Path, tracker: str) -> list[dict[str, Any]]:
    """Run all tasks on ``video`` into an empty ``folder``; a row for each and one for all."""
    from data_utils.preprocess import preprocess
    from data_utils.source import Source

    seconds, memory, frames = {}, {}, 0
    with PeakMemory() as peak:
        for outcome in preprocess(DatasetFolder(folder), Source(video), tracker=tracker):
            seconds[outcome.task.name], memory[outcome.task.name] = outcome.seconds, peak.take()
            frames = outcome.num_frames
    seconds["all"], memory["all"] = sum(seconds.values()), max(memory.values())
    rows: list[dict[str, Any]] = [
        {
            "task": name,
            "seconds": round(value, 3),
            "frames_per_second": round(frames / max(value, 1e-9), 1),
            "peak_memory_gib": round(memory[name] / 2**30, 3),
        }
        for name, value in seconds.items()
    ]
    rows[-1] |= {"frames": frames, "seconds_for_8000_frames": round(seconds["all"] * LONG_CLIP / frames, 1)}
    return rows


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
    print(f"{'task':<24}{'seconds':>9}{'frames/s':>10}{'GiB':>7}")
    for row in rows:
        print(f"{row['task']:<24}{row['seconds']:>9.2f}{row['frames_per_second']:>10.1f}{row['peak_memory_gib']:>7.2f}")
    print(
        f"{rows[-1]['frames']} frames; {LONG_CLIP} at this rate: {rows[-1]['seconds_for_8000_frames'] / 60:.1f} minutes"
    )
    if arguments.json:
        write_json(arguments.json, rows)


if __name__ == "__main__":
    sys.exit(main())
