"""A function of tensors as a CUDA graph for each size of its inputs that comes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from torch import Tensor

from kernels.cuda.graph import Recording


class Replayed:
    """A function whose second call with inputs of one size is recorded, and replayed from then on."""

    def __init__(self, function: Callable[..., tuple[Tensor, ...]]) -> None:
        """``function``: see :class:`kernels.cuda.graph.Recording`."""
        self._function = function
        self._asked: Counter[tuple[int, ...]] = Counter()
        self._recordings: dict[tuple[int, ...], Recording[tuple[Tensor, ...]]] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the function returns, in memory of the caller's own. The first input's shape tells sizes apart."""
        size = tuple(inputs[0].shape)
        self._asked[size] += 1
        if self._asked[size] == 1:  # the last, shorter batch of a video is not worth a recording
            return self._function(*inputs)
        if size not in self._recordings:
            self._recordings[size] = Recording(self._function)
        return tuple(tensor.clone() for tensor in self._recordings[size](*inputs))
