"""Machines that are not there: a cluster for :class:`fleet.driver.Driver` whose clock jumps from end to end of stages.

It does what Ray and the workers would: puts each stage on a machine with free cores and cards, or lets it wait for
one, writes the receipt of a stage that ends well, and loses workers, machines and the storage now and then. Chance is
drawn from a seed.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from itertools import count

from fleet.failures import Failure
from fleet.farm import Farm, Receipt
from fleet.manifest import INPUT, MACHINE
from fleet.needs import ROUNDING, Capacity, MachineKind, Needs
from fleet.work import Order, Outcome

FRAME_RATE = 25.0
CPU_LABEL = ("role", "cpu")


class Killed(Exception):
    """The driver's end, in the midst of its work."""


@dataclass(frozen=True)
class Machines:
    """What the cluster is made of."""

    gpus: int = 1_000
    gpus_each: int = 8
    cores_each: int = 128
    """Of a machine with GPUs."""
    cpu_machines: int = 0
    """Further ones, without GPUs, with as many cores and with ``CPU_LABEL``."""


@dataclass(frozen=True)
class StageTimes:
    """What stages take; docs/scale.md says where each figure is from."""

    minutes: tuple[float, float] = (3.0, 5.0)
    """A video's length, evenly between these."""
    preprocess: float = 0.087
    """Core seconds a frame."""
    train: float = 298.0
    """Seconds, whatever the video's length."""
    metrics: float = 0.043
    """Core seconds a frame, of which one in eleven is held out."""
    export: float = 2.0
    """Seconds."""
    spread: float = 0.2
    """Of the logarithm of each time."""
    stragglers: float = 0.01
    """Share of the stages that take ``straggle`` times as long."""
    straggle: float = 3.0

    def draw(self, order: Order, frames: float, chance: random.Random) -> float:
        """Seconds that a stage takes on the cores that it has."""
        means = {
            "preprocess": self.preprocess * frames / order.cores,
            "train": self.train,
            "metrics": self.metrics * frames / order.cores,
            "export": self.export,
        }
        slow = self.straggle if chance.random() < self.stragglers else 1.0
        return means[order.stage] * slow * chance.lognormvariate(0.0, self.spread)


@dataclass(frozen=True)
class Faults:
    """What goes wrong, and how often."""

    bad_videos: float = 0.025
    """Share of the videos that preprocessing refuses."""
    worker_hours: float = 100.0
    """Hours of work of one stage between two losses of its worker."""
    machine_hours: float = 500.0
    """Between two losses of one machine, with all that it does."""
    repair: float = 1_800.0
    """Seconds until a lost machine is back."""
    full_at: float = math.inf
    """Seconds at which the storage is full,"""
    full_for: float = 600.0
    """and for how long: programs at work fail within a minute, those that begin in ``begins`` seconds."""
    begins: float = 5.0
    killed_at: float = math.inf
    """Seconds at which the driver is killed."""


@dataclass
class Machine:
    """One of them, and what is free there."""

    kind: MachineKind
    tasks: set[Task] = field(default_factory=set)
    there: bool = True

    def __post_init__(self) -> None:
        self.cores, self.gpus = self.kind.cores, self.kind.gpus

    def bears(self, needs: Needs) -> bool:
        """Whether a stage fits."""
        fits = self.there and needs.cores <= self.cores and needs.gpu <= self.gpus + ROUNDING
        return fits and self.kind.takes(needs)


@dataclass(eq=False)
class Task:
    """A stage that has been given away."""

    order: Order
    needs: Needs
    begun: float = 0.0
    machine: Machine | None = None


class SimulatedCluster:
    """As :class:`fleet.driver.Cluster`.

    Attributes:
        now: seconds since the beginning.
        own: seconds that the simulation itself has taken.
        card_seconds: that cards were taken by each stage.
        useful: the part of them that ended well.
        happened: how often each kind of failure came back.
    """

    def __init__(self, farm: Farm, machines: Machines, times: StageTimes, faults: Faults, seed: int = 0) -> None:
        self.farm, self.times, self.faults = farm, times, faults
        each, left = machines.gpus_each, machines.gpus
        self.nodes = []
        while left > 0:  # the last has fewer cards, and cores with them
            cards = min(each, left)
            self.nodes.append(Machine(MachineKind(machines.cores_each * cards // each, cards, "H100")))
            left -= cards
        others = MachineKind(machines.cores_each, labels=(CPU_LABEL,))
        self.nodes += [Machine(others) for _ in range(machines.cpu_machines)]
        self._look()
        self.now = self.own = 0.0
        self.card_seconds: dict[str, float] = defaultdict(float)
        self.useful: dict[str, float] = defaultdict(float)
        self.happened: Counter[str] = Counter()
        self.most = 0
        self.seed, self.chance, self._number = seed, random.Random(seed), count()
        self._events: list[tuple[float, int, Task | Machine | None, Outcome | Failure | None]] = []
        self._queues: dict[Needs, deque[Task]] = defaultdict(deque)
        self._at_work = self._ended_now = 0
        for node in self.nodes:
            self._wear(node)

    def clock(self) -> float:
        """Seconds, for the driver."""
        return self.now

    def submit(self, order: Order, needs: Needs) -> None:
        """Begin a stage, or let it wait for a machine."""
        begun = time.perf_counter()
        self._at_work += 1
        self.most = max(self.most, self._at_work)
        self._place(Task(order, needs))
        self.own += time.perf_counter() - begun

    def wait(self, seconds: float) -> list[tuple[Order, Outcome | Failure]]:
        """Let time go on to the next end of a stage, at most so many seconds; all that end in that moment.

        Raises:
            Killed: it is time for the driver to be killed.
        """
        begun, until = time.perf_counter(), self.now + seconds
        ended: list[tuple[Order, Outcome | Failure]] = []
        while self._events and self._events[0][0] <= (self.now if ended else until):
            self.now, _, what, result = heapq.heappop(self._events)
            if isinstance(what, Machine):
                ended += self._turn(what)
            elif what is not None and what.machine is not None and result is not None:
                ended.append(self._end(what, result))
        if not ended:
            self.now = until
        self.own += time.perf_counter() - begun
        if self.now >= self.faults.killed_at:
            self.faults = Faults(**{**vars(self.faults), "killed_at": math.inf})
            raise Killed
        return ended

    def cancel(self, seconds: float) -> None:
        """Forget all that is at work; machines stay as they are."""
        self._events = [event for event in self._events if isinstance(event[2], Machine)]
        heapq.heapify(self._events)
        for node in self.nodes:
            for task in list(node.tasks):
                self._free(task)
        self._queues.clear()
        self._at_work = 0

    def frames(self, name: str) -> float:
        """Of a head's video."""
        return random.Random(f"{self.seed} {name}").uniform(*self.times.minutes) * 60 * FRAME_RATE

    def is_bad(self, name: str) -> bool:
        """Whether a head's video will not do."""
        return random.Random(f"{self.seed} {name} bad").random() < self.faults.bad_videos

    def _place(self, task: Task) -> None:
        fitting = [node for node in self.nodes if node.bears(task.needs)]
        if not fitting:
            self._queues[task.needs].append(task)
            return
        if task.needs.gpu:
            node = max(fitting, key=lambda one: one.cores)
        else:  # Ray keeps what needs no card off the machines that have some, as long as it can
            node = max(fitting, key=lambda one: (one.gpus == 0, one.cores))
        node.tasks.add(task)
        node.cores -= task.needs.cores
        node.gpus -= task.needs.gpu
        task.begun, task.machine = self.now, node
        seconds, result = self._fate(task)
        self._at(self.now + seconds, task, result)

    def _fate(self, task: Task) -> tuple[float, Outcome | Failure]:
        order, faults = task.order, self.faults
        seconds = self.times.draw(order, self.frames(order.source.name), self.chance)
        lost = self.chance.expovariate(1 / (3600 * faults.worker_hours))
        if order.stage == "preprocess" and self.is_bad(order.source.name):
            seconds, result = seconds * self.chance.random(), Failure(INPUT, "no face was found in the video")
        else:
            result = Outcome(round(seconds, 1), "here", {})  # type: ignore[assignment]
        full, again = faults.full_at, faults.full_at + faults.full_for
        fails = self.now + faults.begins if self.now >= full else full + 60 * self.chance.random()
        if self.now < again and fails < min(again, self.now + seconds):
            return fails - self.now, Failure(MACHINE, "the disk is full")
        return (lost, Failure(MACHINE, "the worker died", lost=True)) if lost < seconds else (seconds, result)

    def _end(self, task: Task, result: Outcome | Failure) -> tuple[Order, Outcome | Failure]:
        order, node = task.order, task.machine
        spent = task.needs.gpu * (self.now - task.begun)
        self.card_seconds[order.stage] += spent
        self._free(task)
        self._at_work -= 1
        if isinstance(result, Outcome):
            self.useful[order.stage] += spent
            self.farm.write_receipt(order.source.name, Receipt(order.stage, result.seconds, place="here"))
        else:
            self.happened[result.why] += 1
        if node is not None:
            self._fill(node)
        return order, result

    def _fill(self, node: Machine) -> None:
        for queue in self._queues.values():
            while queue and node.bears(queue[0].needs):
                self._place(queue.popleft())

    def _look(self) -> None:
        self.capacity = Capacity(Counter(node.kind for node in self.nodes if node.there))

    def _free(self, task: Task) -> None:
        node = task.machine
        if node is not None:
            node.tasks.remove(task)
            node.cores += task.needs.cores
            node.gpus += task.needs.gpu
            task.machine = None

    def _turn(self, node: Machine) -> list[tuple[Order, Outcome | Failure]]:
        """A machine is lost, or comes back."""
        node.there = not node.there
        self._look()
        if node.there:
            self._wear(node)
            self._fill(node)
            return []
        self._at(self.now + self.faults.repair, node)
        gone = Failure(MACHINE, "the machine was lost", lost=True)
        return [self._end(task, gone) for task in list(node.tasks)]

    def _wear(self, node: Machine) -> None:
        self._at(self.now + self.chance.expovariate(1 / (3600 * self.faults.machine_hours)), node)

    def _at(self, when: float, what: Task | Machine, result: Outcome | Failure | None = None) -> None:
        heapq.heappush(self._events, (when, next(self._number), what, result))
