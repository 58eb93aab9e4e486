"""Gives stages away as their turns come, until every head is whole or has failed.

What is on the disk decides what is left to do: receipts of stages that are whole, and the manifest's word on those that
failed for good. So a driver that is killed loses the stages at work and nothing else, and another one goes on.
"""

from __future__ import annotations

import contextlib
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
from fleet.needs import Capacity, Needs
from fleet.progress import Progress
from fleet.settings import Settings
from fleet.stages import Stage, way_of
from fleet.stopping import Stopping, patience
from fleet.storage import SharedFolder
from fleet.work import GRACE, Order, Outcome

MOST_CORES = 8  # of a stage: what preprocessing makes use of
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before another try; each time twice as long
LOST_COUNTS = 0.25  # of an attempt: that a worker or its machine is gone is rarely the stage's doing
COPY_EVERY = 10.0  # seconds between two copies of the manifest to an object store


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
    cpu_label: tuple[str, str] | None = None
    """A label of Ray: stages without a GPU go to the machines that have it."""
    at_once: int | None = None
    """Stages that are given away at a time; None: what the machines bear."""
    first_wait: float = FIRST_WAIT


@dataclass
class Job:
    """A head on its way."""

    source: Source
    place: int
    """Of the stage that comes next, on the way."""
    turn: int
    attempts: float = 0.0
    not_before: float = 0.0


class Driver:
    """One run over a farm.

    Args:
        manifest: open for adding to it.
        say: takes lines of progress.
        checkout: whose programs are run; each machine's own where it is empty.
    """

    def __init__(
        self,
        farm: Farm,
        manifest: Manifest,
        cluster: Cluster,
        options: Options,
        say: Callable[[str], None],
        checkout: str = "",
    ) -> None:
        self.farm, self.manifest, self.cluster, self.options, self.say = farm, manifest, cluster, options, say
        self.settings: Settings = farm.settings()
        self.way: tuple[Stage, ...] = way_of(self.settings)
        self.checkout = checkout
        self.waiting: list[Job] = []
        self.at_work: dict[tuple[str, str], tuple[Job, Needs]] = {}
        self._copied = 0.0

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
                    for order, result in self.cluster.wait(patience(job.not_before for job in self.waiting)):
                        failed += self._take(order, result)
                    self._copy(COPY_EVERY)
                if stopping.number:
                    raise Interrupted(stopping.number, "stopped; run the same command again to go on")
                return failed
            finally:
                self.cluster.cancel(GRACE + 10)
                self._copy(0.0)

    def _plan(self, sources: Sequence[Source]) -> int:
        known, whole, failed = latest(self.farm.records()), 0, 0
        seconds: dict[str, list[float]] = {stage.name: [] for stage in self.way}
        left: Counter[str] = Counter()
        for turn, source in enumerate(sources):
            place = 0
            while place < len(self.way) and (receipt := self.farm.receipt(source.name, self.way[place].name)):
                before = known.get((source.name, receipt.stage))
                if before is None or before.state not in (DONE, SKIPPED):  # its driver was killed before it wrote so
                    self.manifest.add(
                        Record(source.name, receipt.stage, SKIPPED, seconds=receipt.seconds, place=receipt.place)
                    )
                seconds[receipt.stage].append(receipt.seconds)
                place, whole = place + 1, whole + 1
            if place == len(self.way):
                continue
            gone = self._gone(source, place)
            whole, place = whole - (place - gone), gone
            last = known.get((source.name, self.way[place].name))
            if last is not None and last.state == FAILED and last.kind == INPUT:
                failed += 1
                continue
            left.update(stage.name for stage in self.way[place:])
            self.waiting.append(Job(source, place, turn))
        self.progress = Progress(self.say, left, whole, seconds)
        heads = f"{len(sources)} heads: {len(sources) - failed - len(self.waiting)} whole"
        self.say(f"{heads}, {failed} failed before, {len(self.waiting)} to do in {left.total()} stages")
        return failed

    def _gone(self, source: Source, place: int) -> int:
        """The first of the whole stages before ``place`` whose files somebody has removed since; else ``place``."""
        if not isinstance(self.farm.store, SharedFolder):
            return place
        head = self.farm.head(source)
        for number, stage in enumerate(self.way[:place]):
            if stage.figures(head, self.settings) is None:
                self.farm.withdraw_receipt(source.name, stage.name)
                return number
        return place

    def _give_away(self) -> None:
        """Those that are nearest to their end first: a head that is whole is worth more than ten that are begun."""
        now = time.monotonic()
        for job in sorted(self.waiting, key=lambda job: (-job.place, job.turn)):
            stage = self.way[job.place]
            needs = self._needs(stage)
            if job.not_before > now or not self._fits(needs):
                continue
            last = job.place == len(self.way) - 1
            order = Order(
                farm=self.farm.store.address,
                scratch=self.farm.scratch,
                source=job.source,
                stage=stage.name,
                settings=self.settings,
                cores=needs.cores,
                gpu=needs.gpu > 0,
                checkout=self.checkout,
                last=last,
            )
            self.manifest.add(Record(job.source.name, stage.name, BEGUN))
            self.cluster.submit(order, needs)
            self.waiting.remove(job)
            self.at_work[job.source.name, stage.name] = job, needs

    def _needs(self, stage: Stage) -> Needs:
        there, heads = self.cluster.capacity, len(self.waiting) + len(self.at_work)
        fair = min(MOST_CORES, there.cores // max(1, heads))
        cores = max(1, min(self.options.cores or fair, there.largest or 1))
        share = self.options.gpu_share
        if share is None:
            share = gpu_share(self.settings.configs, there.cards) if there.gpus else 0.0
        label = self.options.cpu_label
        if stage.uses_gpu and share:
            return Needs(cores, share)
        return Needs(cores, 0.0, (label,) if label else ())

    def _fits(self, needs: Needs) -> bool:
        taken = [one for _, one in self.at_work.values()]
        return self.cluster.capacity.bears(needs, taken, self.options.at_once)

    def _take(self, order: Order, result: Outcome | Failure) -> int:
        """Write down what became of a stage; returns 1 where its head has failed for good."""
        name, stage = order.source.name, order.stage
        job, _ = self.at_work.pop((name, stage))
        outcome = result if isinstance(result, Outcome) else Outcome(0.0, "", {}, result)
        failure = outcome.failure
        record = Record(name, stage, DONE, seconds=round(outcome.seconds, 1), place=outcome.place)
        if failure is None:
            self.manifest.add(replace(record, state=SKIPPED if outcome.skipped else DONE))
            job.place, job.attempts, job.not_before = job.place + 1, 0.0, 0.0
            if job.place < len(self.way):
                self.waiting.append(job)
            self.progress.done(order, outcome, len(self.at_work))
            return 0
        job.attempts += LOST_COUNTS if failure.lost else 1
        if failure.kind == INPUT or job.attempts >= self.options.attempts:
            self.manifest.add(replace(record, state=FAILED, why=failure.why, kind=failure.kind))
            lost = {one.name: 1 for one in self.way[job.place :]}
            self.progress.failed(order, failure, lost, len(self.at_work))
            return 1
        wait = min(LONGEST_WAIT, self.options.first_wait * 2 ** max(0.0, job.attempts - 1))
        job.not_before = time.monotonic() + wait
        self.manifest.add(replace(record, state=AGAIN, why=failure.why, kind=failure.kind))
        self.progress.again(order, failure, wait)
        self.waiting.append(job)
        return 0

    def _copy(self, every: float) -> None:
        """Leave a copy of the manifest in the object store, for others to go on with, and say who is at work."""
        now = time.monotonic()
        if not isinstance(self.farm.store, SharedFolder) and now - self._copied >= every:
            self._copied = now
            with contextlib.suppress(OSError):  # a network that is away for a while: the next copy has it all
                keep_claim(self.farm.store)
                self.farm.store.write(MANIFEST, self.farm.manifest.read_bytes())
