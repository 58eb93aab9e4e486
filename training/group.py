"""Processes that learn one head together, each on a card of its own: all learn what each has learnt from its frames.

Every process holds the whole head. A batch is dealt out frame by frame, gradients are averaged before each step, and as
all take the same step from the same place, all heads stay the same bit by bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, distributed

from arguments.device import by_device
from arguments.errors import EGSTalkerError, is_out_of_memory, one_line

T = TypeVar("T")
GLOO, NCCL = "gloo", "nccl"
LOOPBACK = {"NCCL_SOCKET_IFNAME": "lo", "GLOO_SOCKET_IFNAME": "lo"}  # of Linux, where several cards are


class Group:
    """All processes of a training, as one of them sees them; of one alone until :meth:`join`."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """``rank``: of this process, from 0; ``size``: how many there are."""
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def join(self, meeting: Path, device: str) -> None:
        """Meet the others; returns when all are there.

        Args:
            meeting: a file that is not there yet, in a folder that all see until they have parted; they meet by it and
                on the loopback alone.
            device: of this process.
        """
        if self.size == 1:
            return
        for name, value in LOOPBACK.items():
            os.environ.setdefault(name, value)
        store = distributed.FileStore(str(meeting), self.size)
        backend = by_device(device, cpu=GLOO, gpu=NCCL)
        distributed.init_process_group(backend, store=store, rank=self.rank, world_size=self.size)
        self.same([torch.zeros(1, device=device)])  # connections are made by the first exchange

    def leave(self, *, together: bool = True) -> None:
        """Part from the others.

        Args:
            together: all do so. Where they do not, NCCL would wait for them and is left as it is; Gloo does not wait,
                but now and then aborts a program that ends without having left (std::terminate, of a thread of its).
        """
        if self.size > 1 and distributed.is_initialized() and (together or distributed.get_backend() == GLOO):
            distributed.destroy_process_group()

    def rounded(self, batch: int) -> int:
        """The least multiple of the processes that is no smaller than ``batch``."""
        return -(-batch // self.size) * self.size

    def part(self, of_all: Sequence[T]) -> list[T]:
        """This process's share of them."""
        return list(of_all[self.rank :: self.size])

    @torch.no_grad()
    def mean(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, where it lies."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _exchange():
            distributed.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [part.view_as(one) for part, one in zip(parts, tensors, strict=True)])

    @torch.no_grad()
    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, where it lies."""
        if self.size == 1:
            return
        with _exchange():
            for tensor in tensors:
                distributed.all_reduce(tensor)

    @torch.no_grad()
    def same(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by the leader's, where it lies."""
        if self.size == 1:
            return
        with _exchange():
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)

    @torch.no_grad()
    def check_same(self, tensors: Iterable[Tensor]) -> None:
        """Look whether all have the same float32 tensors, bit by bit.

        Raises:
            EGSTalkerError: they have not; on all processes.
        """
        if self.size == 1:
            return
        bits = torch.stack([tensor.detach().view(torch.int32).sum(dtype=torch.int64) for tensor in tensors])
        both = torch.stack([bits, -bits])
        with _exchange():
            distributed.all_reduce(both, op=distributed.ReduceOp.MAX)
        if not torch.equal(both[0], -both[1]):
            raise EGSTalkerError("the cards' heads have gone apart; train without --gpus, and report it please")


def lost(why: str) -> EGSTalkerError:
    """What is said where one of the processes has gone."""
    return EGSTalkerError(
        f"another process of this training was lost ({why}); run the same command again to go on from the last "
        "checkpoint"
    )


@contextmanager
def _exchange() -> Iterator[None]:
    """Of an exchange that fails, in one line; what it was about is not known to have arrived."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise lost(one_line(error).partition(". ")[0]) from error
