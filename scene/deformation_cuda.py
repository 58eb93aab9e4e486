"""The moved head on an NVIDIA GPU as a CUDA graph: some eighty small kernels, launched at once.

Without it the host needs longer to launch them than the GPU to run them, and a live application that renders frame by
frame waits for the host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scene.frames import Drive
from scene.gaussians import Gaussians

WARM_UP = 3  # runs before a recording: Triton compiles, libraries take their workspaces


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    drive: Drive  # what the graph reads
    moved: Gaussians  # what it writes


class GraphedHead:
    """A head at rest that moves by replaying recordings of ``move``, one for each size of batch that comes again."""

    def __init__(self, move: Callable[[Drive], Gaussians]) -> None:
        """``move``: without gradients and without waiting for the device; all it reads but the drive stays in place."""
        self._move = move
        self._asked: Counter[tuple[int, ...]] = Counter()
        self._recordings: dict[tuple[int, ...], _Recording] = {}

    def move(self, drive: Drive) -> Gaussians:
        """The head in the frames of ``drive``."""
        size = tuple(drive.audio.shape)
        self._asked[size] += 1
        if self._asked[size] == 1:  # the last, shorter batch of a video is not worth a recording
            return self._move(drive)
        recording = self._recordings.get(size)
        if recording is None:
            recording = self._recordings[size] = self._record(drive)
        for ours, theirs in zip(_tensors(recording.drive), _tensors(drive), strict=True):
            ours.copy_(theirs, non_blocking=True)
        recording.graph.replay()
        return recording.moved.map(lambda tensor, _: tensor.clone())

    def _record(self, drive: Drive) -> _Recording:
        kept = drive.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._move(kept)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            moved = self._move(kept)
        return _Recording(graph, kept, moved)


def _tensors(drive: Drive) -> tuple[Tensor, ...]:
    return drive.audio, drive.audio_frames, drive.eye, drive.camera.viewmats, drive.camera.intrinsics
