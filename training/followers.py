"""The other processes of a training on several cards: begun, told what to do, watched, and ended.

The leader, which is the program itself, decides everything: when to stop, to validate, to save. It tells the others
each step before it takes it, so all ask for the same exchanges in the same order. Where one of them is lost, the rest
would wait for it forever: the program ends, and goes on from its checkpoint when it is run again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from arguments.device import GPU, gpu_count, make_current, on_gpu
from arguments.errors import LESS_MEMORY, EGSTalkerError, is_out_of_memory, one_line
from training.dataset import TalkingHeadDataset
from training.group import Group, lost
from training.log import say
from training.options import TrainOptions
from training.torso import learn_torso_of
from training.torso_cloud import NoTorsoError
from training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

READY, FAILED, END = "ready", "failed", "end"
END_SECONDS = 10.0  # until a process that does not end is killed, or a leader ended that does not notice a loss
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Followers:
    """Use as a context manager. With one process in all, nothing is begun and nobody told.

    Attributes:
        group: all processes, as the leader sees them.
    """

    def __init__(self, options: TrainOptions) -> None:
        """Raises EGSTalkerError where there are fewer cards than processes."""
        self.group = Group(0, options.processes)
        self._options = options
        self._others: list[tuple[BaseProcess, Connection]] = []
        self._has_met, self._is_ending = False, threading.Event()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        check_cards(options.device, options.processes)

    def __enter__(self) -> Followers:
        if self.group.size == 1:
            return self
        self._folder = tempfile.TemporaryDirectory(prefix="egstalker-group-")  # NCCL looks there as long as it works
        context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # as it is begun, it lets signals in again
        with _signals_held_back():  # in the others too: Ctrl-C reaches all, and the leader decides
            for rank in range(1, self.group.size):
                ours, theirs = context.Pipe()
                process = context.Process(target=follow, args=(self._options, rank, theirs))
                process.start()
                theirs.close()
                self._others.append((process, ours))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ending.set()
        for _, connection in self._others:
            try:
                connection.send((END,))
            except OSError:
                continue  # it has ended
        self.group.leave(together=kind is None)
        for process, connection in self._others:
            connection.close()
            process.join(END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
        if self._folder is not None:
            self._folder.cleanup()

    def meet(self) -> None:
        """Wait for all, unless that is done.

        Raises:
            EGSTalkerError: one could not load what it needs; the message says why.
        """
        if self._has_met or self._folder is None:
            return
        for rank, (_, connection) in enumerate(self._others, 1):
            try:
                word, *why = connection.recv()
            except EOFError:
                word, why = FAILED, ["its process has ended"]
            if word == FAILED:
                raise EGSTalkerError(f"{_device(self._options, rank)}: {why[0]}")
        threading.Thread(target=self._watch, daemon=True).start()
        meeting = Path(self._folder.name) / "meeting"
        self.tell("join", meeting)
        self.group.join(meeting, _device(self._options, 0))
        self._has_met = True

    def begin(self, trainer: Trainer) -> None:
        """Let all take up what this trainer of the leader's begins or goes on with."""
        self.meet()
        self.tell("take_up")
        trainer.share()

    def tell(self, name: str, *arguments: Any) -> None:
        """Let all do something: a method of :class:`Follower`. Raises EGSTalkerError where one has gone."""
        for rank, (_, connection) in enumerate(self._others, 1):
            try:
                connection.send((name, *arguments))
            except OSError as error:
                raise lost(_device(self._options, rank)) from error

    def _watch(self) -> None:
        """End the program where a process is lost and the leader does not notice: it may wait for it, on the device."""
        sentinels = {process.sentinel: rank for rank, (process, _) in enumerate(self._others, 1)}
        rank = min(sentinels[one] for one in wait(list(sentinels)) if isinstance(one, int))
        if self._is_ending.wait(END_SECONDS):
            return
        connection, why = self._others[rank - 1][1], "its process has ended"
        try:
            if connection.poll():
                why = connection.recv()[1]
        except (OSError, EOFError):
            pass  # it left no word
        where = _device(self._options, rank)
        say(f"error: {lost(f'{where}: {why}')}")
        if self._folder is not None:
            self._folder.cleanup()
        os._exit(1)


class Follower:
    """What a process other than the leader does when it is told to. Arguments are those of the leader's calls."""

    def __init__(self, options: TrainOptions, group: Group) -> None:
        self.options, self.group = options, group
        self.dataset = TalkingHeadDataset(options.source_path)
        self.trainer: Trainer | None = None

    def join(self, meeting: Path) -> None:
        """Meet the others."""
        self.group.join(meeting, self.options.device)

    def take_up(self) -> None:
        """Begin where the leader begins."""
        self.trainer = Trainer(self.options, self.dataset, self.group)
        self.trainer.share()

    def advance(self, stage: str, iteration: int, total: int) -> None:
        """An iteration."""
        assert self.trainer is not None
        self.trainer.advance(stage, iteration, total)

    def gather(self) -> None:
        """A checkpoint is written."""
        assert self.trainer is not None
        self.trainer.gather()

    def torso(self) -> None:
        """Learn the torso of the model, whose head is finished."""
        self.trainer = None  # and the frames that it keeps
        try:
            learn_torso_of(self.options, self.dataset, self.group)
        except NoTorsoError:
            return  # the leader finds none either, and says so


def check_cards(device: str, processes: int) -> None:
    """Raise EGSTalkerError where so many processes cannot have a card each, from the first on."""
    if processes < 1:
        raise EGSTalkerError(f"--gpus must be at least 1, not {processes}")
    if processes == 1 or not on_gpu(device):
        return
    if device != GPU:
        raise EGSTalkerError(f"--gpus {processes} takes the first {processes} GPUs; leave --device {device} out")
    if processes > gpu_count():
        raise EGSTalkerError(f"--gpus {processes}: there are only {gpu_count()} GPUs here")


def follow(options: TrainOptions, rank: int, commands: Connection) -> None:
    """The whole of another process: do what comes through the pipe, until it is closed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    group = Group(rank, options.processes)
    try:
        options = replace(options, device=_device(options, rank))
        if on_gpu(options.device):
            make_current(options.device)
        follower = Follower(options, group)
        commands.send((READY,))
        while (told := commands.recv())[0] != END:
            getattr(follower, told[0])(*told[1:])
        group.leave()
    except EOFError:  # the leader has gone
        group.leave(together=False)
    except Exception as error:
        expected = isinstance(error, EGSTalkerError) or is_out_of_memory(error)
        if not expected:
            traceback.print_exc()
        commands.send((FAILED, LESS_MEMORY if is_out_of_memory(error) else one_line(error)))
        sys.stderr.flush()
        os._exit(1)  # others may wait for this one: it has nothing to wait for


def _end_with(sentinel: int) -> None:
    """End this process as soon as its leader has ended, whatever it waits for."""
    wait([sentinel])
    os._exit(1)


def _device(options: TrainOptions, rank: int) -> str:
    return f"{GPU}:{rank}" if on_gpu(options.device) and options.processes > 1 else options.device


@contextmanager
def _signals_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
