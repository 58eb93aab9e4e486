"""A dataset's frames on their way to a device: decoded once, kept as bytes, made floats a batch at a time."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from arguments.device import free_memory, on_gpu
from scene.cameras import Camera
from scene.drive import BODY, Drive
from training.dataset import TalkingHeadDataset
from training.frame_batch import FrameBatch

CHANNELS = 7  # of a frame as it is kept: image 3, background 3, head's share 1
HOST_BYTES = 3 << 30  # decoded pictures kept in the host's memory
DEVICE_SHARE = 0.6  # of a GPU's free memory that pictures may take
DECODERS = 16  # threads at most
Watch = Callable[[Iterable[int], int], Iterable[int]]


class FrameStore:
    """Batches of frames, cut to their head boxes, all of one size.

    Where all frames fit the device's memory they stay there once decoded (``resident``); else as many as fit
    ``host_bytes`` stay in the host's memory, the others are decoded again when they are asked for, and the next batch
    is made ready while the last one is used.
    """

    def __init__(
        self,
        dataset: TalkingHeadDataset,
        signal: Float[Tensor, "{dataset.num_frames} *D"],
        window: int,
        device: str = "cpu",
        *,
        body: Float[Tensor, "{dataset.num_frames} 12"] | None = None,
        host_bytes: int = HOST_BYTES,
    ) -> None:
        """Reads every frame's mask and landmarks, and raises what that does.

        Args:
            dataset: whose frames these are.
            signal: what drives the face in every frame: expression codes or audio features.
            window: rows of it that a frame sees.
            device: where batches are made.
            body: how the body moves in every frame; not at all unless given.
            host_bytes: of decoded pictures that may stay in the host's memory.
        """
        self.dataset, self.window, self.device = dataset, window, torch.device(device)
        corners, (self.width, self.height) = dataset.head_boxes()
        self._signal, self._eyes = signal.to(device), dataset.eyes.to(device)
        self._corners = torch.from_numpy(corners).to(device)
        self.camera = dataset.camera.to(device)
        self._body = (torch.zeros(dataset.num_frames, BODY) if body is None else body).to(device)
        boxes = np.stack([dataset.feature_boxes(i) for i in range(dataset.num_frames)])
        self._boxes = torch.from_numpy(boxes).to(device)  # [N, 3, 4]: mouth and both eyes
        frame_bytes = CHANNELS * self.width * self.height
        self.resident = frame_bytes * dataset.num_frames <= self._budget(host_bytes)
        self._capacity = max(1, host_bytes // frame_bytes)
        self._kept: OrderedDict[int, UInt8[np.ndarray, "H W 7"]] = OrderedDict()
        self._there = np.zeros(dataset.num_frames, dtype=bool)
        shape = (dataset.num_frames if self.resident else 0, self.height, self.width, CHANNELS)
        self._bytes = torch.empty(shape, dtype=torch.uint8, device=device)
        self._pool = ThreadPoolExecutor(min(DECODERS, os.cpu_count() or 1))
        self._next: tuple[tuple[int, ...], Future[UInt8[Tensor, "B H W 7"]]] | None = None
        self._planner = ThreadPoolExecutor(1)

    def load(self, frames: Iterable[int], watch: Watch = lambda frames, total: frames) -> None:
        """Decode frames ahead, where they fit the device."""
        if not self.resident:
            return
        missing = [i for i in dict.fromkeys(frames) if not self._there[i]]
        for i, crop in zip(watch(missing, len(missing)), self._pool.map(self._decode, missing), strict=False):
            self._bytes[i] = torch.from_numpy(crop).to(self.device)
            self._there[i] = True

    def batch(self, indices: Sequence[int], following: Sequence[int] = ()) -> FrameBatch:
        """The frames ``indices``; ``following`` will be asked for next."""
        which = on_device(indices, self.device)
        return self.frames(which, self.pictures(which, indices, following))

    def pictures(
        self, which: Int[Tensor, "B"], indices: Sequence[int], following: Sequence[int] = ()
    ) -> UInt8[Tensor, "B H W 7"]:
        """The bytes of the frames ``indices``, on the device; ``which``: the same numbers there."""
        wanted = tuple(int(i) for i in indices)
        return self._resident_bytes(which, wanted) if self.resident else self._sent_bytes(wanted, following)

    def frames(self, which: Int[Tensor, "B"], pictures: UInt8[Tensor, "B H W 7"]) -> FrameBatch:
        """The frames ``which`` from their bytes; nothing here waits for the device."""
        corner = self._corners[which]
        camera = self.camera[which]
        intrinsics = camera.intrinsics.clone()
        intrinsics[:, :2, 2] -= corner
        boxes = self._inside(self._boxes[which])
        return FrameBatch(
            index=which,
            drive=self.drive(which, Camera(camera.viewmats, intrinsics, self.width, self.height)),
            image=pictures[..., :3].float().div_(255),
            background=pictures[..., 3:6].float().div_(255),
            head=pictures[..., 6].float().div_(255),
            mouth=boxes[:, 0],
            eyes=boxes[:, 1] | boxes[:, 2],
            corner=corner,
        )

    def drive(self, frames: Int[Tensor, "B"], camera: Camera | None = None) -> Drive:
        """What makes the head move in ``frames`` (on the device); ``camera`` replaces the whole picture's."""
        camera = camera or self.camera[frames]
        return Drive.of(self._signal, frames, self.window, self._eyes[frames], camera, self._body[frames])

    def set_body(self, body: Float[Tensor, "N 12"]) -> None:
        """Drives have another motion of the body from now on."""
        self._body = body

    def _budget(self, host_bytes: int) -> float:
        return DEVICE_SHARE * free_memory(self.device) if on_gpu(self.device) else host_bytes

    def _decode(self, i: int) -> UInt8[np.ndarray, "H W 7"]:
        crop = self.dataset.crop(i)
        return np.concatenate([crop.image, crop.background, crop.head[..., None]], axis=-1)

    def _resident_bytes(self, which: Int[Tensor, "B"], wanted: tuple[int, ...]) -> UInt8[Tensor, "B H W 7"]:
        self.load(wanted)
        return self._bytes[which]

    def _sent_bytes(self, wanted: tuple[int, ...], following: Sequence[int]) -> UInt8[Tensor, "B H W 7"]:
        ready = self._next[1] if self._next and self._next[0] == wanted else self._planner.submit(self._gather, wanted)
        after = tuple(int(i) for i in following)
        gathered = ready.result()
        self._next = (after, self._planner.submit(self._gather, after)) if after else None
        return gathered.to(self.device, non_blocking=True)

    def _gather(self, wanted: tuple[int, ...]) -> UInt8[Tensor, "B H W 7"]:
        """Frames from the host's memory, and from the files where they are not there; in the planner's thread."""
        missing = [i for i in dict.fromkeys(wanted) if i not in self._kept]
        for i, crop in zip(missing, self._pool.map(self._decode, missing), strict=True):
            self._kept[i] = crop
        crops = [self._kept[i] for i in wanted]
        for i in wanted:
            self._kept.move_to_end(i)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        gathered = torch.empty(len(wanted), *crops[0].shape, dtype=torch.uint8, pin_memory=on_gpu(self.device))
        for target, crop in zip(gathered, crops, strict=True):
            target.copy_(torch.from_numpy(crop))
        return gathered

    def _inside(self, boxes: Float[Tensor, "B K 4"]) -> Bool[Tensor, "B K H W"]:
        """Pixels within boxes (left, top, right, bottom)."""
        x = torch.arange(self.width, device=self.device)
        y = torch.arange(self.height, device=self.device)[:, None]
        left, top, right, bottom = boxes[..., None, None].unbind(dim=2)
        return ((x >= left) & (x < right)) & ((y >= top) & (y < bottom))


def on_device(numbers: Sequence[int], device: torch.device) -> Int[Tensor, "B"]:
    """Whole numbers from the host, without waiting for the device."""
    tensor = torch.tensor(numbers, dtype=torch.int64)
    return tensor.pin_memory().to(device, non_blocking=True) if on_gpu(device) else tensor
