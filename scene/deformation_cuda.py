"""The moved head on an NVIDIA GPU as a CUDA graph: who renders frame by frame would wait for the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from scene.cuda_graph import Recording
from scene.frames import Drive
from scene.gaussians import Gaussians


class GraphedHead:
    """A head at rest that moves by replaying recordings of ``move``, one for each size of batch that comes again."""

    def __init__(self, move: Callable[[Drive], Gaussians]) -> None:
        """``move``: without gradients and without waiting for the device; all it reads but the drive stays in place."""
        self._move = move
        self._asked: Counter[tuple[int, ...]] = Counter()
        self._recordings: dict[tuple[int, ...], Recording[Gaussians]] = {}

    def move(self, drive: Drive) -> Gaussians:
        """The head in the frames of ``drive``."""
        size = tuple(drive.audio.shape)
        self._asked[size] += 1
        if self._asked[size] == 1:  # the last, shorter batch of a video is not worth a recording
            return self._move(drive)
        recording = self._recordings.get(size)
        if recording is None:
            recording = self._recordings[size] = Recording(lambda *parts: self._move(_drive(drive, *parts)))
        camera = drive.camera
        moved = recording(drive.audio, drive.audio_frames, drive.eye, camera.viewmats, camera.intrinsics)
        return moved.map(lambda tensor, _: tensor.clone())


def _drive(like: Drive, audio: Tensor, frames: Tensor, eye: Tensor, viewmats: Tensor, intrinsics: Tensor) -> Drive:
    return Drive(audio, frames, eye, replace(like.camera, viewmats=viewmats, intrinsics=intrinsics))
