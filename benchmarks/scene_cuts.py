"""How surely cuts are told from fast movements, on made clips: python -m benchmarks.scene_cuts [--seed N] [--json F].

200 clips have a cut, 200 a fast movement and none (:mod:`sample.shots`). A cut counts as found where it is named to the
frame; every other frame that is named is false, wherever it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.errors import door
from data_utils.scene_cuts import with_cuts
from sample.shots import Clip, made_clips


@dataclass
class CutScores:
    """Of some clips."""

    found: int = 0
    missed: int = 0
    false: int = 0
    clips: list[str] = field(default_factory=list)  # kinds of those with a mistake, a name for each

    @property
    def precision(self) -> float:
        """Share of the frames named that are cuts; 1 where none is named."""
        return self.found / max(self.found + self.false, 1) if self.found + self.false else 1.0

    @property
    def recall(self) -> float:
        """Share of the cuts that are named; 1 where there are none."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0


def score(clips: Iterable[Clip]) -> CutScores:
    """Seek cuts in clips, and count what is right and wrong."""
    scores = CutScores()
    for clip in clips:
        named = [i for i, (_, is_cut) in enumerate(with_cuts(clip.pictures, lambda picture: picture)) if is_cut]
        hits = named.count(clip.cut) if clip.cut is not None else 0
        misses = int(clip.cut is not None) - hits
        scores.found += hits
        scores.missed += misses
        scores.false += len(named) - hits
        if misses or len(named) > hits:
            scores.clips.append(clip.kind)
    return scores


@door
def main() -> None:
    """Make the clips, seek their cuts, print and, if asked, write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.scene_cuts", description=__doc__)
    parser.add_argument("--seed", type=int, default=100, help="another makes other clips (default: 100)")
    parser.add_argument("--count", type=int, default=200, help="clips of either sort (default: 200)")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures here")
    arguments = parser.parse_args()
    scores = score(made_clips(arguments.seed, arguments.count))
    row: dict[str, Any] = {
        "seed": arguments.seed,
        "clips": 2 * arguments.count,
        "precision": round(scores.precision, 4),
        "recall": round(scores.recall, 4),
        "mistakes": sorted(scores.clips),
    }
    print(f"precision {scores.precision:.3f}, recall {scores.recall:.3f}; mistakes in: {sorted(scores.clips)}")
    if arguments.json:
        write_json(arguments.json, row)


if __name__ == "__main__":
    sys.exit(main())
