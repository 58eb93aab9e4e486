"""A farm of heads by the number of cards: ``python -m benchmarks.heads --gpus 1 2 [--configs C] [-s DATASET ...]``.

The same heads are made by ``./fleet.sh heads`` once for each number of cards, from datasets that are whole: what is
timed is training and metrics, from the command to its end. Without data sets they are of the sample's people, made and
preprocessed first, uncounted. ``--gpus 0`` uses no card. A training of a few iterations comes before, uncounted: what
is compiled is compiled then.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.dataset_folder import DatasetFolder
from arguments.device import gpu_count
from arguments.errors import EGSTalkerError, door
from benchmarks.commands import ROOT, configuration, run
from fleet.farm import Farm, Receipt
from fleet.manifest import DONE, Record, read_manifest
from fleet.settings import Settings, with_configuration
from sample.people import PEOPLE

CARDS = "CUDA_VISIBLE_DEVICES"
WARM_UP = 12  # iterations of each kind


@dataclass(frozen=True)
class Timed:
    """Heads that were made on so many cards."""

    cards: int
    heads: int
    seconds: float
    records: tuple[Record, ...]

    def row(self) -> dict[str, Any]:
        """Its figures; of the stages the mean seconds, others beside them."""
        stages = {
            stage: sum(seconds) / len(seconds)
            for stage in ("train", "metrics")
            if (seconds := [one.seconds for one in self.records if one.stage == stage and one.state == DONE])
        }
        hour = 3600 * self.heads / self.seconds
        return {"cards": self.cards, "heads": self.heads, "seconds": self.seconds, "heads_an_hour": hour, **stages}


def sample_datasets(count: int, folder: Path) -> list[Path]:
    """Data sets of so many of the sample's people, 10 s of 320 x 320 each."""
    found = []
    for number, who in enumerate(itertools.islice(itertools.cycle(PEOPLE), count)):
        video = folder / f"{who}{number}.mp4"
        run("-m", "sample", video, "--size", "320", "--seconds", "10", "--seed", str(number), "--person", who)
        run("data_utils/process.py", video)
        found.append(video.with_suffix(""))
    return found


def warm_up(dataset: Path, configs: Path, folder: Path) -> None:
    """A training of a few iterations, for what is compiled."""
    few = folder / "warm.py"
    few.write_text(configuration(configs, coarse_iterations=WARM_UP, iterations=WARM_UP, torso_iterations=WARM_UP))
    run("train.py", "-s", dataset, "--model_path", folder / "warm", "--configs", few)


def farm_of(datasets: Sequence[Path], heads: int, settings: Settings, folder: Path) -> Farm:
    """A farm whose heads are preprocessed.

    Args:
        datasets: whole ones, taken again in turn where there are fewer than ``heads``.
        heads: their number.
        settings: of the farm.
        folder: an empty folder, for the farm and the links that give videos their names.
    """
    farm = Farm(str(folder / "farm"))
    farm.store.local.mkdir()
    farm.take_settings(with_configuration(settings, ROOT))
    links = []
    for number, dataset in enumerate(itertools.islice(itertools.cycle(datasets), heads)):
        links.append(folder / f"{dataset.name}-{number}.mp4")
        links[-1].symlink_to(DatasetFolder(dataset).video.resolve())
    added = farm.add(links)  # in this order: all are new
    for source, dataset in zip(added, itertools.cycle(datasets)):
        shutil.copytree(dataset, farm.head(source).dataset.root)
        farm.write_receipt(source.name, Receipt("preprocess", 0.0))
    return farm


def timed(farm: Farm, heads: int, cards: int, options: Sequence[str]) -> Timed:
    """Go on with a farm on the first so many of the cards that this program sees.

    Raises:
        EGSTalkerError: a head has failed.
    """
    there = os.environ.get(CARDS, "")
    seen = there.split(",") if there else [str(card) for card in range(cards)]
    if len(seen) < cards:
        raise EGSTalkerError(f"{CARDS} is {there}, which is not {cards} cards")
    share = [] if cards else ["--gpu_share", "0"]
    visible = {CARDS: ",".join(seen[:cards])}
    begun = time.perf_counter()
    run("fleet.py", "heads", "--out", farm.store.local, *options, *share, environment=visible)
    return Timed(cards, heads, time.perf_counter() - begun, tuple(read_manifest(farm.manifest)))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The figures in lines, each beside those of the first number of cards."""
    lines = []
    for row in rows:
        stages = ", ".join(f"{stage} {row[stage]:.1f} s" for stage in ("train", "metrics") if stage in row)
        lines.append(
            f"{row['cards']} cards: {row['heads']} heads in {row['seconds']:.1f} s, {row['heads_an_hour']:.0f} an hour "
            f"({row['seconds'] / rows[0]['seconds']:.2f} of the time of {rows[0]['cards']}); {stages} a head"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure farms and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heads", description="A farm, by the number of cards.")
    parser.add_argument("--source_path", "-s", type=Path, nargs="+", help="data sets (made, of the sample's people)")
    parser.add_argument("--heads", type=int, default=8, help="data sets are taken again where there are fewer (8)")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 2], metavar="N", help="numbers of cards (1 2)")
    parser.add_argument("--configs", default="arguments/args.py", help="configuration, as for ./fleet.sh")
    parser.add_argument("--train_options", type=shlex.split, default=[], metavar='"OPTIONS"', help="as for ./fleet.sh")
    parser.add_argument("--gpu_share", type=float, metavar="F", help="as for ./fleet.sh")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    if not (1 <= options.heads <= 1000 and all(0 <= number <= 1000 for number in options.gpus)):
        raise EGSTalkerError("--heads is from 1 to 1000, --gpus from 0")
    if max(options.gpus) > gpu_count():
        raise EGSTalkerError(f"there are {gpu_count()} cards here, and --gpus asks for {max(options.gpus)}")
    datasets = options.source_path or []
    if missing := [path for path in datasets if not DatasetFolder(path).video.is_file()]:
        raise EGSTalkerError(f"there is no dataset in {missing[0]}; make one with ./preprocess.sh")
    settings = Settings(configs=options.configs, train_options=tuple(options.train_options))
    settings.check()
    share = [] if options.gpu_share is None else ["--gpu_share", str(options.gpu_share)]
    rows = []
    with tempfile.TemporaryDirectory(prefix="egstalker-heads-") as work:
        folder = Path(work)
        datasets = [path.resolve() for path in datasets] or sample_datasets(options.heads, folder)
        warm_up(datasets[0], ROOT / options.configs, folder)
        for number in options.gpus:
            (ours := folder / f"cards-{number}").mkdir()
            farm = farm_of(datasets, options.heads, settings, ours)
            rows.append(timed(farm, options.heads, number, share).row())
            shutil.rmtree(ours)
    print(table(rows))
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    raise SystemExit(door(main)())
