"""``python -m sample demo/sample.mp4``: make the built-in sample video and its truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from arguments.errors import door
from sample.people import PEOPLE, person


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\rdrawing frame {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % 100 == 0 or done == total:
        print(f"drawing frame {done}/{total}", file=sys.stderr, flush=True)


@door
def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sample", description="Make the built-in sample video and its truth."
    )
    parser.add_argument("path", type=Path, help="the video to write, for instance demo/sample.mp4")
    parser.add_argument("--seconds", type=float, default=24.0, help="length (default: 24)")
    parser.add_argument("--size", type=int, default=384, help="side in pixels (default: 384)")
    parser.add_argument("--seed", type=int, default=0, help="another seed says and does other things (default: 0)")
    parser.add_argument(
        "--person",
        default="usual",
        help="another person, or other behaviour (default: usual); one of "
        + ", ".join(f"{name} ({one.about})" for name, one in PEOPLE.items()),
    )
    options = parser.parse_args()
    chosen = person(options.person)
    from sample.recording import make_sample

    truth = make_sample(
        options.path,
        options.seconds,
        options.size,
        options.seed,
        _progress,
        looks=chosen.looks,
        behaviour=chosen.behaviour,
    )
    print(f"wrote {options.path} and {truth}")


if __name__ == "__main__":
    sys.exit(main())
