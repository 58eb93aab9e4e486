"""A head and a script become frames, a few at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from arguments.device import CPU, GPU, kind_of, on_gpu
from gaussian_renderer.render import render
from scene.drive import Drive
from scene.head import AtRest, GaussianHead
from scene.reference_clip import ReferenceClip
from synthesis.pipeline import ahead
from synthesis.script import Script
from synthesis.yuv import yuv420

BATCHES = {CPU: 4, GPU: 32}  # frames made at once unless the caller says otherwise
MAX_READERS = 8  # threads that decode backdrops

Frame = UInt8[np.ndarray, "H W 3"]
Shown = Frame | UInt8[np.ndarray, "R W"]
"""A picture for an encoder: RGB, or the planes of :func:`yuv420`."""
Watch = Callable[[Iterable[Shown], int], Iterable[Shown]]
"""Passes frames through and shows how many of a number have passed (a progress bar)."""


def drive_of(head: GaussianHead, clip: ReferenceClip, script: Script, chosen: slice) -> Drive:
    """What moves the head in the chosen frames of a script, on the head's device."""
    device = next(head.parameters()).device
    reference = script.reference[chosen]
    rows, window = script.rows[chosen], head.settings.signal_window
    eyes = clip.eyes[reference] if script.eyes is None else script.eyes[chosen]
    camera = clip.camera[reference]
    if script.poses is not None:
        camera = replace(camera, viewmats=script.poses[chosen])
    return Drive.of(script.signal, rows, window, eyes, camera).to(device)


def render_drive(
    head: GaussianHead, drive: Drive, background: Float[Tensor, "B H W 3"], at_rest: AtRest
) -> Float[Tensor, "B H W 3"]:
    """The driven head over its background, 0..1."""
    return render(head.deform(drive, at_rest), drive.camera, background).image.clamp_(0, 1)


def synthesise(head: GaussianHead, clip: ReferenceClip, script: Script, *, batch: int | None = None) -> Iterator[Frame]:
    """The video's frames (RGB), made ``batch`` at a time and forgotten: memory does not grow with their number.

    ``batch``: by the device (``BATCHES``) if None.

    Reading what a batch needs, rendering the one before it, and what the caller does with the frames overlap.
    """
    return _frames(head, clip, script, batch, _rgb)


def film(head: GaussianHead, clip: ReferenceClip, script: Script, *, batch: int | None = None) -> Iterator[Shown]:
    """:func:`synthesise` for :func:`write_video`: a GPU converts to the encoder's colours, where sides are even."""
    even = clip.width % 2 == clip.height % 2 == 0
    return _frames(head, clip, script, batch, yuv420 if even and on_gpu(next(head.parameters())) else _rgb)


def _frames(
    head: GaussianHead,
    clip: ReferenceClip,
    script: Script,
    batch: int | None,
    encode: Callable[[Tensor], Tensor],
) -> Iterator[Shown]:
    batch = batch or BATCHES[kind_of(next(head.parameters()))]
    return ahead(_rendered(head, ahead(_inputs(head, clip, script, batch), 2), encode), 2 * batch)


def _inputs(
    head: GaussianHead, clip: ReferenceClip, script: Script, batch: int
) -> Iterator[tuple[Drive, Float[Tensor, "B H W 3"]]]:
    """What drives the head in each batch of frames, and the background, on the head's device."""
    device = next(head.parameters()).device
    pictures = backdrops_of(clip, script.reference.tolist())
    for start in range(0, len(script), batch):
        drive = drive_of(head, clip, script, slice(start, start + batch))
        background = torch.from_numpy(np.stack([next(pictures) for _ in range(len(drive))]))
        yield drive, background.to(device).float().div_(255)


def backdrops_of(clip: ReferenceClip, frames: Sequence[int]) -> Iterator[Frame]:
    """What is behind the head in each of ``frames``, read by several threads ahead of its use."""
    backdrops = clip.backdrops
    readers = min(MAX_READERS, max(1, (os.cpu_count() or 1) // 2))
    with ThreadPoolExecutor(readers) as pool:
        waiting: deque[Future[Frame]] = deque()
        for i in frames:
            waiting.append(pool.submit(backdrops.__getitem__, i))
            if len(waiting) > 2 * readers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@torch.no_grad()
def _rendered(
    head: GaussianHead,
    inputs: Iterable[tuple[Drive, Float[Tensor, "B H W 3"]]],
    encode: Callable[[Tensor], Tensor],
) -> Iterator[Shown]:
    at_rest = head.at_rest()
    for drive, background in inputs:
        pictures = encode(render_drive(head, drive, background, at_rest))
        yield from torch.empty_like(pictures, device=CPU, pin_memory=on_gpu(pictures)).copy_(pictures).numpy()


def _rgb(images: Float[Tensor, "B H W 3"]) -> UInt8[Tensor, "B H W 3"]:
    return images.mul_(255).round_().byte()
