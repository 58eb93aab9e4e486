"""Gives films away, many at a time, until each is whole or has failed.

A program takes long to start and a head to load, so films go out in a few large parts, sorted by their heads. What is
on the disk decides what is left to do: a film is whole if it is there. A program that ends before its films are whole
gives back the others; they go out again in two parts, so that one film that ends programs is soon alone.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from arguments.device import CPU, GPU
from arguments.errors import EGSTalkerError, Interrupted, one_line
from fleet.driver import LONGEST_WAIT, LOST_COUNTS, MOST_CORES, Cluster, Options
from fleet.failures import Failure
from fleet.film_folder import Film, FilmFolder
from fleet.film_work import FilmOrder, FilmsOfHead
from fleet.gpu_share import film_share
from fleet.manifest import AGAIN, BEGUN, DONE, FAILED, INPUT, MACHINE, SKIPPED, Manifest, Record, latest, read_manifest
from fleet.needs import ROUNDING, Needs
from fleet.progress import length
from fleet.stopping import Stopping, patience
from fleet.waiting import Waiting
from fleet.work import GRACE, Outcome
from media.video import probe

STARTING = {CPU: 3, GPU: 100}
"""A program's start, in the time of so many films; measured: docs/fleet.md."""
WORTH = 10  # starts that the films of a part take
MOST_PARTS = 4  # for each program at a time
MOST_FILMS = 1000  # of a part
UNFINISHED = Failure(MACHINE, "the program has ended well but the film is not whole")


@dataclass
class Part:
    """Films that go out together, those of a head one after the other."""

    films: list[Film]
    attempts: float = 0.0


def parts_of(films: Sequence[Film], workers: int, starting: int) -> list[Part]:
    """Films in parts of the same size, those of a head together.

    There is a part for each worker; several, where there are so many films that starting a program for each does not
    matter: what one of them is slow with, the others do.

    Args:
        films: all that are left.
        workers: programs at a time.
        starting: of a program, in the time of so many films.
    """
    films = sorted(films, key=lambda film: (film.head, film.name))
    worth, needed = len(films) // (workers * WORTH * starting), -(-len(films) // (workers * MOST_FILMS))
    count = min(len(films), workers * max(min(worth, MOST_PARTS), needed))
    return [Part(films[i * len(films) // count : (i + 1) * len(films) // count]) for i in range(count)]


class FilmDriver:
    """One run over a folder of films.

    Args:
        folder: of the films.
        manifest: open for adding to it.
        cluster: does the work.
        options: how it is spread.
        seed: of the films.
        say: takes lines of progress.
        checkout: whose program is run; each machine's own where it is empty.
    """

    def __init__(
        self,
        folder: FilmFolder,
        manifest: Manifest,
        cluster: Cluster,
        options: Options,
        seed: int,
        say: Callable[[str], None],
        checkout: str = "",
    ) -> None:
        self.folder, self.manifest, self.cluster, self.options = folder, manifest, cluster, options
        self.seed, self.say, self.checkout = seed, say, checkout
        self.waiting: Waiting[Part] = Waiting()
        self.at_work: dict[str, tuple[FilmOrder, Part, Needs]] = {}
        self.taken: Counter[Needs] = Counter()
        self.ended: dict[tuple[str, str], Record] = {}
        """Films of this run."""
        self.failed = 0

    def run(self, films: Sequence[Film]) -> int:
        """Make films; returns how many have failed.

        Raises:
            Interrupted: SIGINT, SIGTERM or SIGHUP; what was at work has ended.
            OSError: the manifest cannot be written.
        """
        with Stopping() as stopping:
            try:
                self._plan(films)
                while (self.waiting or self.at_work) and not stopping.number:
                    self._give_away()
                    for order, result in self.cluster.wait(patience(self.waiting.soonest(), time.monotonic())):
                        self._take(order, result)
                    for order, _, _ in self.at_work.values():
                        self._note(order)
                if stopping.number:
                    raise Interrupted(stopping.number, "stopped; run the same command again to go on")
                return self.failed
            finally:
                self.cluster.cancel(GRACE + 10)
                for order, _, _ in self.at_work.values():
                    self._note(order)
                self.folder.sweep(films)

    def _plan(self, films: Sequence[Film]) -> None:
        self._merge()
        known = latest(read_manifest(self.folder.manifest))
        left, news = [], []
        for film in films:
            before = known.get((film.head, film.name))
            written = before is not None and before.state in (DONE, SKIPPED)
            if not self.folder.target(film).exists():
                left.append(film)
                if written:  # of what it was made of before
                    news.append(Record(film.head, film.name, BEGUN))
            elif not written:  # it was whole, and all were killed before one had written so
                news.append(self._found(film))
        self.manifest.add(*news)
        self.folder.sweep(films)
        self._total, self._begun = len(left), time.monotonic()
        starting = STARTING[GPU if self._needs().gpu else CPU]
        for part in parts_of(left, self._workers(), starting):
            self.waiting.add(part)
        heads = len({film.head for film in left})
        self.say(f"{len(films)} films: {len(films) - len(left)} whole, {len(left)} to do, of {heads} heads")

    def _merge(self) -> None:
        """Take over what a killed driver's programs have written down."""
        known = latest(read_manifest(self.folder.manifest))
        for path in sorted(self.folder.logs.glob("*.jsonl")):
            news = []
            for record in read_manifest(path):
                before = known.get((record.name, record.stage))
                if before is None or before.when < record.when:
                    news.append(record)
            self.manifest.add(*news)
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)

    def _workers(self) -> int:
        needs = self._needs()
        ours = self.cluster.capacity.of(needs)
        bear = int(ours.gpus / needs.gpu + ROUNDING) if needs.gpu else ours.cores // needs.cores
        return max(1, min(bear, self.options.at_once or bear))

    def _needs(self) -> Needs:
        there, share = self.cluster.capacity, self.options.gpu_share
        if share is None:
            share = film_share(there.cards, there.cores_of_card) if there.gpus else 0.0
        needs = self.options.needs(share)
        fair = int(there.cores_of_card * share) if share and there.gpus else MOST_CORES  # encoding takes a card's cores
        return self.options.with_cores(needs, fair, there)

    def _fits(self, _: int) -> bool:
        return self.cluster.capacity.bears(self._needs(), self.taken, self.options.at_once)

    def _give_away(self) -> None:
        for part in self.waiting.due(time.monotonic(), self._fits):
            needs = self._needs()
            heads = tuple(self._of_head(list(films)) for _, films in groupby(part.films, lambda film: film.head))
            order = FilmOrder(
                path=str(self.folder.logs / f"{heads[0].head}-{secrets.token_hex(4)}"),
                heads=heads,
                seed=self.seed,
                cores=needs.cores,
                gpu=needs.gpu > 0,
                checkout=self.checkout,
            )
            self.folder.logs.mkdir(parents=True, exist_ok=True)
            self.cluster.submit(order, needs)
            self.taken[needs] += 1
            self.at_work[order.path] = order, part, needs

    def _of_head(self, films: Sequence[Film]) -> FilmsOfHead:
        said = tuple((film.name, film.sound, str(self.folder.target(film))) for film in films)
        return FilmsOfHead(films[0].head, films[0].model, said)

    def _found(self, film: Film) -> Record:
        """Of a film that is whole without a word of who made it; its frames are what the file has."""
        try:
            frames = probe(self.folder.target(film)).num_frames
        except EGSTalkerError as error:
            self.say(f"{film.head}: {film.name}: its length is not known: {one_line(error)}")
            frames = 0
        return Record(film.head, film.name, SKIPPED, frames=float(frames))

    def _note(self, order: FilmOrder) -> None:
        """Write down which films have ended since."""
        for record in read_manifest(order.manifest):
            if (record.name, record.stage) not in self.ended:
                self._end(record)

    def _take(self, order: FilmOrder, result: Outcome | Failure) -> None:
        """Write down what became of an order, and let out again what is left of it."""
        _, part, needs = self.at_work.pop(order.path)
        self.taken[needs] -= 1
        before = len(self.ended)
        self._note(order)
        order.manifest.unlink(missing_ok=True)
        order.json.unlink(missing_ok=True)
        left = []
        for film in part.films:
            if (film.head, film.name) in self.ended:
                continue
            if self.folder.target(film).exists():  # another program has made it meanwhile
                self._end(self._found(film))
            else:
                left.append(film)
        if not left:
            return
        failure = (result.failure or UNFINISHED) if isinstance(result, Outcome) else result
        attempts = (0.0 if len(self.ended) > before else part.attempts) + (LOST_COUNTS if failure.lost else 1)
        if failure.kind == INPUT or attempts >= self.options.attempts:
            for film in left:
                self._end(Record(film.head, film.name, FAILED, why=failure.why, kind=failure.kind))
            return
        wait = min(LONGEST_WAIT, self.options.first_wait * 2 ** max(0.0, attempts - 1))
        why, kind = failure.why, failure.kind
        self.manifest.add(*(Record(film.head, film.name, AGAIN, why=why, kind=kind) for film in left))
        half = -(-len(left) // 2)
        for some in (left[:half], left[half:]):
            if some:
                self.waiting.add(Part(some, attempts), not_before=time.monotonic() + wait)
        self.say(f"{order.title}: {failure.why}; {len(left)} films again in {wait:.0f} s")

    def _end(self, record: Record) -> None:
        self.manifest.add(record)
        self.ended[record.name, record.stage] = record
        self.failed += record.state == FAILED
        what = f"{record.frames:.0f} frames in {record.seconds:.1f} s" if record.state == DONE else "whole already"
        if record.state == FAILED:
            what = f"FAILED: {record.why}"
        seconds = time.monotonic() - self._begun
        made = sum(one.state == DONE for one in self.ended.values())
        rate = f", {3600 * made / seconds:.0f} films an hour" if made else ""
        left = self._total - len(self.ended)
        rest = f", {length(left * seconds / len(self.ended))} left" if left else ""
        self.say(f"[{len(self.ended)}/{self._total}] {record.name}: {record.stage}: {what}{rate}{rest}")
