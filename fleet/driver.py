"""Gives stages away as their turns come, until every head is whole or has failed.

What is on the disk decides what is left to do: receipts of stages that are whole, and the manifest's word on those that
failed for good. So a driver that is killed loses the stages at work and nothing else, and another one goes on.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from arguments.errors import Interrupted
from fleet.claim import keep_claim
from fleet.failures import Failure
from fleet.farm import MANIFEST, Farm, Source
from fleet.gpu_share import gpu_share
from fleet.manifest import AGAIN, BEGUN, DONE, FAILED, INPUT, SKIPPED, Manifest, Record, latest
from fleet.needs import ROUNDING, Capacity, Label, Needs
from fleet.progress import Progress
from fleet.settings import Settings
from fleet.stages import MEMORY, Stage, way_of
from fleet.standing import standings
from fleet.stopping import Stopping, patience
from fleet.storage import SharedFolder
from fleet.waiting import Waiting
from fleet.work import GRACE, Order, Outcome

MOST_CORES = 8  # of a stage: what preprocessing makes use of
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before another try; each time twice as long
TROUBLE = 32  # failures of machines without a stage between them that ends well: it is the storage, or all machines,
LONGER = 10  # and waits are so many times as long: nothing is given up for some minutes of that
LOST_COUNTS = 0.25  # of an attempt: that a worker or its machine is gone is rarely the stage's doing
COPY_EVERY = 10.0  # seconds between two copies of the manifest to an object store
COPY_RATE = 1 << 18  # bytes a second that copies take at most: of a long one there is a copy less often


@runtime_checkable
class Cluster(Protocol):
    """What does the work: see :class:`fleet.cluster.RayCluster`."""

    @property
    def capacity(self) -> Capacity: ...

    def submit(self, order: Any, needs: Needs) -> None: ...

    def wait(self, seconds: float) -> list[tuple[Any, Any]]: ...

    def cancel(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Options:
    """How the work is spread; none of it changes a head."""

    cores: int | None = None
    """Of a stage; None: as many as there are for each head, up to 8."""
    gpu_share: float | None = None
    """Of a card, for a stage that uses one; None: as measured; 0: no GPU."""
    attempts: int = 8
    """At a stage, before a failure of the machine is for good."""
    cpu_label: Label | None = None
    """A label of Ray: stages without a GPU go to the machines that have it."""
    at_once: int | None = None
    """Stages that are given away at a time; None: what the machines bear."""
    first_wait: float = FIRST_WAIT

    def needs(self, share: float) -> Needs:
        """Of a task with such a share of a GPU, but for its cores."""
        return Needs(1, share) if share > 0 or self.cpu_label is None else Needs(1, 0.0, (self.cpu_label,))

    def with_cores(self, needs: Needs, fair: int, there: Capacity) -> Needs:
        """The same with its cores: as many as are asked for, or a ``fair`` number, but no more than it may come to."""
        return replace(needs, cores=max(1, min(self.cores or fair, there.most_cores(needs))))


@dataclass
class Job:
    """A head on its way."""

    source: Source
    place: int
    """Of the stage that comes next, on the way."""
    turn: int
    attempts: float = 0.0


class Driver:
    """One run over a farm.

    Args:
        manifest: open for adding to it.
        say: takes lines of progress.
        checkout: whose programs are run; each machine's own where it is empty.
        clock: seconds; that of whatever ``cluster`` waits by.
    """

    def __init__(
        self,
        farm: Farm,
        manifest: Manifest,
        cluster: Cluster,
        options: Options,
        say: Callable[[str], None],
        checkout: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.farm, self.manifest, self.cluster, self.options, self.say = farm, manifest, cluster, options, say
        self.settings: Settings = farm.settings()
        self.way: tuple[Stage, ...] = way_of(self.settings)
        self.checkout, self.clock = checkout, clock
        self.waiting: Waiting[Job] = Waiting()
        self.at_work: dict[tuple[str, str], tuple[Job, Needs]] = {}
        self.taken: Counter[Needs] = Counter()
        self.unfinished = self.in_a_row = 0
        self.memory = 0.0
        """Of a card's, that a training of this farm took at most."""
        self.news: list[Record] = []
        """What the manifest is told before more is given away: a disk takes many lines as fast as one."""
        self._claimed = self._next_copy = -math.inf

    def run(self, sources: Sequence[Source]) -> int:
        """Bring heads as far as they come; returns how many have failed.

        Raises:
            Interrupted: SIGINT, SIGTERM or SIGHUP; what was at work has ended.
            OSError: the manifest cannot be written.
        """
        with Stopping() as stopping:
            try:
                failed = self._plan(sources)
                while (self.waiting or self.at_work) and not stopping.number:
                    self._give_away()
                    for order, result in self.cluster.wait(patience(self.waiting.soonest(), self.clock())):
                        failed += self._take(order, result)
                    self._copy()
                self._write()
                if stopping.number:
                    raise Interrupted(stopping.number, "stopped; run the same command again to go on")
                return failed
            finally:
                self.cluster.cancel(GRACE + 10)
                self._claimed = self._next_copy = -math.inf
                self._copy()

    def _plan(self, sources: Sequence[Source]) -> int:
        known, whole, failed = latest(self.farm.records()), 0, 0
        seconds: dict[str, list[float]] = {stage.name: [] for stage in self.way}
        left: Counter[str] = Counter()
        for turn, there in enumerate(standings(self.farm, self.way, self.settings, sources)):
            name, place = there.source.name, len(there.receipts)
            for receipt in there.receipts:
                before = known.get((name, receipt.stage))
                if before is None or before.state not in (DONE, SKIPPED):  # its driver was killed before it wrote so
                    self.news.append(Record(name, receipt.stage, SKIPPED, seconds=receipt.seconds, place=receipt.place))
                seconds[receipt.stage].append(receipt.seconds)
                self.memory = max(self.memory, receipt.figures.get(MEMORY, 0.0))
            whole += place
            if place == len(self.way):
                continue
            last = known.get((name, self.way[place].name))
            if last is not None and last.state == FAILED and last.kind == INPUT:
                failed += 1
                continue
            left.update(stage.name for stage in self.way[place:])
            self.unfinished += 1
            self._wait(Job(there.source, place, turn))
        self.progress = Progress(self.say, left, whole, seconds, self.clock)
        heads = f"{len(sources)} heads: {len(sources) - failed - self.unfinished} whole"
        self.say(f"{heads}, {failed} failed before, {self.unfinished} to do in {left.total()} stages")
        return failed

    def _wait(self, job: Job, not_before: float = -math.inf) -> None:
        """Those that are nearest to their end come first: a whole head is worth more than ten that are begun."""
        self.waiting.add(job, job.place, job.turn, not_before)

    def _write(self) -> None:
        if self.news:
            self.manifest.add(*self.news)
            self.news.clear()

    def _give_away(self) -> None:
        orders = []
        for job in self.waiting.due(self.clock(), self._fits):
            stage = self.way[job.place]
            needs = self._needs(stage)
            order = Order(
                farm=self.farm.store.address,
                scratch=self.farm.scratch,
                source=job.source,
                stage=stage.name,
                settings=self.settings,
                cores=needs.cores,
                gpu=needs.gpu > 0,
                checkout=self.checkout,
                last=job.place == len(self.way) - 1,
            )
            self.news.append(Record(job.source.name, stage.name, BEGUN))
            orders.append((order, needs))
            self.taken[needs] += 1
            self.at_work[job.source.name, stage.name] = job, needs
        self._write()
        for order, needs in orders:
            self.cluster.submit(order, needs)

    def _needs(self, stage: Stage) -> Needs:
        there, share = self.cluster.capacity, self.options.gpu_share
        if share is None:
            share = gpu_share(self.settings.configs, there.cards, self.memory) if there.gpus else 0.0
        needs = self.options.needs(share if stage.uses_gpu else 0.0)
        ours = there.of(needs)
        fair = min(MOST_CORES, ours.cores // max(1, self.unfinished))
        if needs.gpu:  # half of the cores that go with its card: it waits for none, and others prepare
            fair = max(fair, min(MOST_CORES, int(ours.cores_of_card * share / 2)))
        return self.options.with_cores(needs, fair, there)

    def _fits(self, place: int) -> bool:
        needs = self._needs(self.way[place])
        kept = None if needs.gpu else self._kept()  # where a card waits for its cores, one by one would go to others
        return self.cluster.capacity.bears(needs, self.taken, self.options.at_once, kept)

    def _kept(self) -> Counter[Needs]:
        """Stages that wait for cards which have no work."""
        free = self.cluster.capacity.gpus - sum(one.gpu * count for one, count in self.taken.items())
        kept: Counter[Needs] = Counter()
        for place, stage in enumerate(self.way):
            needs = self._needs(stage)
            if needs.gpu and free >= needs.gpu - ROUNDING:
                stages = min(self.waiting.count(place), int(free / needs.gpu + ROUNDING))
                free -= stages * needs.gpu
                kept[needs] += stages
        return kept

    def _take(self, order: Order, result: Outcome | Failure) -> int:
        """Write down what became of a stage; returns 1 where its head has failed for good."""
        name, stage = order.source.name, order.stage
        job, needs = self.at_work.pop((name, stage))
        self.taken[needs] -= 1
        outcome = result if isinstance(result, Outcome) else Outcome(0.0, "", {}, result)
        failure = outcome.failure
        record = Record(name, stage, DONE, seconds=round(outcome.seconds, 1), place=outcome.place)
        if failure is None:
            self.news.append(replace(record, state=SKIPPED if outcome.skipped else DONE))
            self.memory = max(self.memory, outcome.figures.get(MEMORY, 0.0))
            job.place, job.attempts, self.in_a_row = job.place + 1, 0.0, 0
            if job.place < len(self.way):
                self._wait(job)
            else:
                self.unfinished -= 1
            self.progress.done(order, outcome, len(self.at_work))
            return 0
        job.attempts += LOST_COUNTS if failure.lost else 1
        if failure.kind == INPUT or job.attempts >= self.options.attempts:
            self.news.append(replace(record, state=FAILED, why=failure.why, kind=failure.kind))
            lost = {one.name: 1 for one in self.way[job.place :]}
            self.unfinished -= 1
            self.progress.failed(order, failure, lost, len(self.at_work))
            return 1
        self.in_a_row += not failure.lost
        longer = LONGER if self.in_a_row > TROUBLE else 1
        wait = longer * min(LONGEST_WAIT, self.options.first_wait * 2 ** max(0.0, job.attempts - 1))
        self.news.append(replace(record, state=AGAIN, why=failure.why, kind=failure.kind))
        self.progress.again(order, failure, wait)
        self._wait(job, self.clock() + wait)
        return 0

    def _copy(self) -> None:
        """Leave a copy of the manifest in the object store, for others to go on with, and say who is at work."""
        if isinstance(self.farm.store, SharedFolder):
            return
        now = self.clock()
        with contextlib.suppress(OSError):  # a network that is away for a while: the next copy has it all
            if now - self._claimed >= COPY_EVERY:
                self._claimed = now
                keep_claim(self.farm.store)
            if now >= self._next_copy:
                data = self.farm.manifest.read_bytes()
                self._next_copy = now + max(COPY_EVERY, len(data) / COPY_RATE)
                self.farm.store.write(MANIFEST, data)
