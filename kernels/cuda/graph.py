"""Recorded work for an NVIDIA GPU: hundreds of small kernels that the host launches at once.

Without it the host needs longer to launch them than the GPU to run them.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class CannotRecordError(RuntimeError):
    """This GPU, or this version of torch, cannot record something in a function; the message says what."""


class GraphMemory:
    """Memory of recordings that are replayed in the order in which they were made, and of those that replace them."""

    def __init__(self) -> None:
        self.pool = torch.cuda.graph_pool_handle()
        with _recording(self.pool) as self._anchor:  # while one graph is there, the pool keeps what others leave
            torch.zeros(1, device="cuda")


class Recording(Generic[T]):
    """A function of tensors, recorded at its first call and replayed at every call.

    The function must have run before, unrecorded, with inputs of these sizes (kernels are compiled, libraries have
    their workspaces); it may not wait for the device, and all else that it reads or writes stays in place.
    """

    def __init__(self, function: Callable[..., T], memory: GraphMemory | None = None) -> None:
        self._function, self._pool = function, None if memory is None else memory.pool
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Tensor) -> T:
        """What the function returns; the next call overwrites it.

        Raises:
            CannotRecordError: at the first call; nothing has run then.
        """
        if self._graph is None:
            self._inputs = tuple(tensor.detach().clone() for tensor in inputs)
            with _recording(self._pool) as graph:
                self._outputs = self._function(*self._inputs)
            self._graph = graph
        for ours, theirs in zip(self._inputs, inputs, strict=True):
            ours.copy_(theirs, non_blocking=True)
        self._graph.replay()
        return self._outputs


@contextlib.contextmanager
def _recording(pool: Any | None) -> Iterator[torch.cuda.CUDAGraph]:
    """Record what is launched here. ``torch.cuda.graph`` would empty all caches before, for every recording anew."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    collects = gc.isenabled()
    gc.disable()  # what it throws away might have to wait for the device
    try:
        with torch.cuda.stream(stream):
            torch.cuda.current_blas_handle()  # each thread opens one of its own, which cannot be recorded
            graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                yield graph
            except BaseException:
                with contextlib.suppress(RuntimeError):  # the first error says more
                    graph.capture_end()
                raise
            graph.capture_end()
    except RuntimeError as error:
        _end_generators_recording()
        raise CannotRecordError(str(error).splitlines()[0]) from error
    finally:
        if collects:
            gc.enable()
    torch.cuda.current_stream().wait_stream(stream)


def _end_generators_recording() -> None:
    """Random numbers can be had again: a recording that failed leaves their generator waiting for its end."""
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    if hasattr(generator, "clone_state"):  # since torch 2.4
        generator.graphsafe_set_state(generator.clone_state())
