"""Ray, as far as a farm needs it: tasks with needs go out, outcomes come back.

Without RAY_ADDRESS an instance of its own is started, which listens on the loopback alone and ends with the driver.
Ray restarts nothing by itself here: the driver does, as it waits in between and writes down why.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

from arguments.errors import EGSTalkerError, one_line
from fleet.failures import failure_of_error
from fleet.needs import Capacity, Label, MachineKind, Needs

OBJECTS = 100 << 20  # bytes of Ray's own store; what tasks return is small
OWN_INSTANCE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # "no cluster", on any system: 127.0.0.1 is the machine's address
    "RAY_AUTH_MODE": "token",
}
OWN_NAME, CARD = "ray.io/node-id", "ray.io/accelerator-type"  # labels that Ray gives to each machine
LOOK_EVERY = 10.0  # seconds between two looks at what the cluster has


@runtime_checkable
class Task(Protocol):
    """What can be given away; its modules are on every machine."""

    def carry_out(self) -> Any:
        """Do it, where this is called."""


class RayCluster:
    """The cluster at RAY_ADDRESS, or one on this machine alone.

    Raises:
        EGSTalkerError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, cores: int | None = None) -> None:
        address = os.environ.get("RAY_ADDRESS", "")
        if "://" in address:
            raise EGSTalkerError(
                f"RAY_ADDRESS={address}: give HOST:PORT of the cluster's head, or auto on one of its nodes"
            )
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if _is_this_machine(address):
            os.environ.update(OWN_INSTANCE)
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # for this run alone; Ray would keep one in HOME
        try:
            import ray  # reads the environment as it loads
        except ModuleNotFoundError as error:
            raise EGSTalkerError(
                f"a farm needs the packages of requirements/fleet.txt ({error.name}): ./fleet.sh installs them"
            ) from error
        self._ray: Any = ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if _is_this_machine(address):
                context = ray.init("local", num_cpus=cores, object_store_memory=OBJECTS, **quiet)
            else:
                context = ray.init(address, **quiet)
        except Exception as error:  # Ray's exceptions of connecting have no type in common
            raise EGSTalkerError(f"Ray does not start at {address or 'this machine'}: {one_line(error)}") from error
        url = context.dashboard_url
        self.dashboard = f"http://{url}" if url else ""
        """Address of Ray's dashboard; empty where it is not installed."""
        self._tasks: dict[Any, Any] = {}
        self._ended: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        self._function = ray.remote(_carry_out)  # one for all tasks: each that is made goes to every worker
        self._seen, self._looked = self._look(), time.monotonic()

    @property
    def capacity(self) -> Capacity:
        """What the machines have that are there now."""
        if time.monotonic() - self._looked > LOOK_EVERY:
            self._seen, self._looked = self._look(), time.monotonic()
        return self._seen

    def submit(self, order: Task, needs: Needs) -> None:
        """Let a task be done by whichever machine has what it needs."""
        options: dict[str, Any] = {"num_cpus": needs.cores, "num_gpus": needs.gpu, "max_retries": 0}
        if needs.labels:
            options["label_selector"] = dict(needs.labels)
        reference = self._function.options(**options).remote(order)
        self._tasks[reference] = order
        reference.future().add_done_callback(lambda future: self._ended.put((reference, future)))

    def wait(self, seconds: float) -> list[tuple[Any, Any]]:
        """What has ended and what it returned, as soon as anything has; nothing after so many seconds.

        Of a worker or machine that is lost there is a :class:`fleet.failures.Failure`.
        """
        ended = []
        with contextlib.suppress(queue.Empty):  # a look at each of thousands of tasks would take longer than their work
            ended.append(self._ended.get(timeout=seconds))
            while True:
                ended.append(self._ended.get_nowait())
        return [(self._tasks.pop(one), self._outcome(future)) for one, future in ended if one in self._tasks]

    def cancel(self, seconds: float) -> None:
        """Ask all that is at work to end, and wait so long for it."""
        for one in self._tasks:
            self._ray.cancel(one, recursive=False)
        if self._tasks:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=seconds)
        self._tasks.clear()

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        self._ray.shutdown()

    def _outcome(self, future: Any) -> Any:
        try:
            return future.result()
        except self._ray.exceptions.RayError as error:
            return failure_of_error(error)

    def _look(self) -> Capacity:
        kinds = (_kind_of(node) for node in self._ray.nodes() if node.get("Alive"))
        return Capacity(Counter(kind for kind in kinds if kind.cores))  # a head node may have none: it takes no task


def _kind_of(node: dict[str, Any]) -> MachineKind:
    has, labels = node["Resources"], dict(node.get("Labels") or {})
    labels.pop(OWN_NAME, None)
    return MachineKind(int(has.get("CPU", 0)), has.get("GPU", 0.0), labels.get(CARD, ""), tuple(sorted(labels.items())))


def _carry_out(task: Task) -> Any:
    with contextlib.suppress(ValueError):  # of a thread that is not the main one
        # A task is cancelled by this signal; workers of a driver in the background of a shell begin with it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return task.carry_out()


@contextlib.contextmanager
def started_cluster(say: Callable[[str], None], label: Label | None = None) -> Iterator[RayCluster]:
    """The cluster, as long as the context.

    Args:
        say: is told what it has.
        label: of machines that there should be in it.

    Raises:
        EGSTalkerError: as of :class:`RayCluster`; or it is this machine alone, and a label is asked for.
    """
    if label and _is_this_machine(os.environ.get("RAY_ADDRESS", "")):
        raise EGSTalkerError("--cpu_nodes is for a cluster: set RAY_ADDRESS, or leave it out")
    cluster = RayCluster()
    try:
        there = cluster.capacity
        gpus = f", {there.gpus:g} GPUs" if there.gpus else ""
        board = f"; dashboard: {cluster.dashboard}" if cluster.dashboard else ""
        say(f"Ray has {there.cores} cores{gpus}{board}")
        if label and not there.has(label):
            say(f"no machine of it has the label {'='.join(label)} yet; what asks for it waits for one")
        yield cluster
    finally:
        cluster.close()


def _is_this_machine(address: str) -> bool:
    return address in ("", "local")
