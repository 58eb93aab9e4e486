"""Recorded work for an NVIDIA GPU: hundreds of small kernels that the host launches at once.

Without it the host needs longer to launch them than the GPU to run them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class CannotRecordError(RuntimeError):
    """This GPU, or this version of torch, cannot record something in a function; the message says what."""


class Recording(Generic[T]):
    """A function of tensors, recorded at its first call and replayed at every call.

    The function must have run before, unrecorded, with inputs of these sizes (kernels are compiled, libraries have
    their workspaces); it may not wait for the device, and all else that it reads or writes stays in place.
    """

    def __init__(self, function: Callable[..., T], pool: Any | None = None) -> None:
        """``pool``: memory shared with other recordings that are replayed in the order in which they were made."""
        self._function, self._pool = function, pool
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Tensor) -> T:
        """What the function returns; the next call overwrites it.

        Raises:
            CannotRecordError: at the first call; nothing has run then.
        """
        if self._graph is None:
            self._graph = self._record(inputs)
        for ours, theirs in zip(self._inputs, inputs, strict=True):
            ours.copy_(theirs, non_blocking=True)
        self._graph.replay()
        return self._outputs

    def _record(self, inputs: tuple[Tensor, ...]) -> torch.cuda.CUDAGraph:
        self._inputs = tuple(tensor.detach().clone() for tensor in inputs)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                self._outputs = self._function(*self._inputs)
        except RuntimeError as error:
            raise CannotRecordError(str(error).splitlines()[0]) from error
        return graph
