"""A head and a script become frames, a few at a time."""

from __future__ import annotations

import itertools
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
from gaussian_renderer.render_output import RenderOutput
from motion.frame_path import FramePath
from scene.clip import Clip
from scene.drive import Drive
from scene.head import AtRest, GaussianHead
from scene.torso import Torso
from synthesis.background import Background
from synthesis.pipeline import ahead
from synthesis.script import Script
from synthesis.yuv import yuv420

BATCHES = {CPU: 4, GPU: 32}  # frames made at once unless the caller says otherwise
MAX_READERS = 8  # threads that decode backdrops

Frame = UInt8[np.ndarray, "H W 3"]
Cutout = UInt8[np.ndarray, "H W 4"]
Shown = Frame | Cutout | UInt8[np.ndarray, "R W"]
"""A picture for an encoder: RGB; RGBA before a transparent background; or the planes of :func:`yuv420`."""
Encode = Callable[[Tensor], Tensor]
"""From rendered pictures, 0..1, to a batch of :data:`Shown`."""
Watch = Callable[[Iterable[Shown], int], Iterable[Shown]]
"""Passes frames through and shows how many of a number have passed (a progress bar)."""


def drive_of(head: GaussianHead, clip: Clip, script: Script, chosen: slice) -> Drive:
    """What moves the head in the chosen frames of a script, on the head's device."""
    device = next(head.parameters()).device
    reference = script.reference[chosen]
    first = torch.from_numpy(reference.first)
    rows, window = script.rows[chosen], head.settings.signal_window
    eyes = torch.from_numpy(reference.blended(clip.eyes.numpy())) if script.eyes is None else script.eyes[chosen]
    poses = torch.from_numpy(reference.poses(clip.camera.viewmats.numpy()))
    camera = replace(clip.camera[first], viewmats=poses if script.poses is None else script.poses[chosen])
    body = None if script.torso is None else script.torso.body[chosen]
    return Drive.of(script.signal, rows, window, eyes, camera, body).to(device)


def render_drive(
    head: GaussianHead, drive: Drive, background: Float[Tensor, "B H W C"], at_rest: AtRest
) -> Float[Tensor, "B H W C"]:
    """The driven person over a background, 0..1: over RGB pictures, or before RGBA torsos with nothing behind them."""
    gaussians = head.deform(drive, at_rest)
    if background.shape[-1] == 4:
        return _before(render(gaussians, drive.camera), background).clamp_(0, 1)
    return render(gaussians, drive.camera, background).image.clamp_(0, 1)


def _before(head: RenderOutput, torso: Float[Tensor, "B H W 4"]) -> Float[Tensor, "B H W 4"]:
    """A head rendered over black, before torsos: colours as they are, not weighted by their opacity, and opacity."""
    shown = (1 - head.alpha) * torso[..., 3:]
    opacity = head.alpha + shown
    colour = (head.image + shown * torso[..., :3]) / opacity.clamp(min=1e-6)
    return torch.cat([colour, opacity], dim=-1)


def synthesise(head: GaussianHead, clip: Clip, script: Script, *, batch: int | None = None) -> Iterator[Shown]:
    """The video's frames, made ``batch`` at a time and forgotten: memory does not grow with their number.

    ``batch``: by the device (``BATCHES``) if None.

    Reading what a batch needs, rendering the one before it, and what the caller does with the frames overlap.
    """
    return _frames(head, clip, script, batch, _bytes)


def film(head: GaussianHead, clip: Clip, script: Script, *, batch: int | None = None) -> Iterator[Shown]:
    """:func:`synthesise` for :func:`write_video`: a GPU converts to the encoder's colours, where sides are even."""
    return _frames(head, clip, script, batch, encoding_of(head, clip, script.background))


def encoding_of(head: GaussianHead, clip: Clip, background: Background) -> Encode:
    """What makes an encoder's pictures of rendered ones in the films of a head, on its device."""
    planar = clip.width % 2 == clip.height % 2 == 0 and not background.is_transparent
    return yuv420 if planar and on_gpu(next(head.parameters())) else _bytes


def _frames(
    head: GaussianHead,
    clip: Clip,
    script: Script,
    batch: int | None,
    encode: Encode,
) -> Iterator[Shown]:
    batch = batch or BATCHES[kind_of(next(head.parameters()))]
    torso = None if script.torso is None else script.torso.torso
    return ahead(_rendered(head, torso, ahead(_inputs(head, clip, script, batch), 2), encode), 2 * batch)


class Reel:
    """The frames of a script that are still to be rendered, taken a few at a time.

    Args:
        head: that is driven.
        clip: of the script.
        script: of the film.
    """

    def __init__(self, head: GaussianHead, clip: Clip, script: Script) -> None:
        self._head, self._clip, self._script, self._place = head, clip, script, 0
        if script.torso is None:
            self._pictures = backdrops_of(clip, script.reference, script.background)
        else:
            self._pictures = rooms_of(clip, script.background)

    def __len__(self) -> int:
        return len(self._script) - self._place

    def take(self, count: int) -> tuple[Drive, list[Frame | Cutout]]:
        """What drives the head in the next frames, at most ``count``, on its device; and the pictures behind it."""
        drive = drive_of(self._head, self._clip, self._script, slice(self._place, self._place + count))
        self._place += len(drive)
        return drive, [next(self._pictures) for _ in range(len(drive))]

    def close(self) -> None:
        """Let go of what reads pictures ahead."""
        close = getattr(self._pictures, "close", None)
        if close is not None:
            close()


class Behind:
    """Brings what is behind heads to their device; a picture that stays is brought once.

    Args:
        device: of the heads.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._still: Frame | Cutout | None = None
        self._there = torch.zeros(0)

    def __call__(self, pictures: Sequence[Frame | Cutout]) -> Float[Tensor, "B H W C"]:
        """Pictures of one size, 0..1; not to be written to: those of one that stays share their memory."""
        first = pictures[0]
        if any(picture is not first for picture in pictures):
            return self._brought(np.stack(pictures))
        if first is not self._still:
            self._still, self._there = first, self._brought(first[None])
        return self._there.expand(len(pictures), -1, -1, -1)

    def _brought(self, pictures: UInt8[np.ndarray, "B H W C"]) -> Float[Tensor, "B H W C"]:
        return torch.from_numpy(pictures).to(self._device).float().div_(255)


def _inputs(
    head: GaussianHead, clip: Clip, script: Script, batch: int
) -> Iterator[tuple[Drive, Float[Tensor, "B H W C"]]]:
    """What drives the head in each batch of frames, and the background, on the head's device."""
    behind, reel = Behind(next(head.parameters()).device), Reel(head, clip, script)
    try:
        while len(reel):
            drive, pictures = reel.take(batch)
            yield drive, behind(pictures)
    finally:
        reel.close()


def rooms_of(clip: Clip, background: Background) -> Iterator[Frame | Cutout]:
    """What is behind head and torso in each frame of a film, without end: RGB pictures, or none, transparent."""
    if background.is_transparent:
        return itertools.repeat(np.zeros((clip.height, clip.width, 4), np.uint8))
    room = clip.backdrops.background
    return (room if picture is None else picture for picture in background.pictures(clip.width, clip.height))


def backdrops_of(clip: Clip, path: FramePath, background: Background) -> Iterator[Frame | Cutout]:
    """What is behind the head along a path, read by several threads ahead of its use: RGB pictures, or torsos with
    their transparency where nothing is behind these."""
    backdrops, behind = clip.backdrops, background.pictures(clip.width, clip.height)

    def of(first: int, second: int, mix: float, picture: Frame | None) -> Frame | Cutout:
        if mix == 0:
            return one(first, picture)
        return _faded(one(first, picture), one(second, picture), mix)

    def one(i: int, picture: Frame | None) -> Frame | Cutout:
        if background.is_transparent:
            return backdrops.cut_out(i)
        return backdrops[i] if picture is None else backdrops.compose(i, picture)

    readers = min(MAX_READERS, max(1, (os.cpu_count() or 1) // 2))
    with ThreadPoolExecutor(readers) as pool:
        waiting: deque[Future[Frame | Cutout]] = deque()
        for first, second, mix in zip(path.first.tolist(), path.second.tolist(), path.mix.tolist(), strict=True):
            waiting.append(pool.submit(of, first, second, mix, next(behind)))
            if len(waiting) > 2 * readers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _faded(first: Frame | Cutout, second: Frame | Cutout, mix: float) -> Frame | Cutout:
    """A picture on its way into another; what is transparent has no say in colours."""
    shares = np.float32(1 - mix), np.float32(mix)
    if first.shape[2] == 3:
        return np.rint(shares[0] * first + shares[1] * second).astype(np.uint8)
    opacity = [share * picture[..., 3:] for share, picture in zip(shares, (first, second), strict=True)]
    total = opacity[0] + opacity[1]
    colour = (opacity[0] * first[..., :3] + opacity[1] * second[..., :3]) / np.maximum(total, 1e-6)
    return np.rint(np.concatenate([colour, total], axis=2)).astype(np.uint8)


@torch.no_grad()
def _rendered(
    head: GaussianHead,
    torso: Torso | None,
    inputs: Iterable[tuple[Drive, Float[Tensor, "B H W C"]]],
    encode: Encode,
) -> Iterator[Shown]:
    at_rest = head.at_rest(torso)
    for drive, background in inputs:
        yield from shown(head, drive, background, at_rest, encode)


def shown(
    head: GaussianHead, drive: Drive, background: Float[Tensor, "B H W C"], at_rest: AtRest, encode: Encode
) -> UInt8[np.ndarray, "B ..."]:
    """The pictures of :func:`render_drive` as ``encode`` makes them, on the CPU."""
    pictures = encode(render_drive(head, drive, background, at_rest))
    return torch.empty_like(pictures, device=CPU, pin_memory=on_gpu(pictures)).copy_(pictures).numpy()


def _bytes(images: Float[Tensor, "B H W C"]) -> UInt8[Tensor, "B H W C"]:
    return images.mul_(255).round_().byte()
