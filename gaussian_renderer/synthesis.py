"""A head, the frames of its clip and some audio become a video, a few frames at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from arguments.errors import EGSTalkerError
from data_utils.video import FPS, VideoWriter, iter_audio
from gaussian_renderer.pipeline import ahead
from gaussian_renderer.render import render
from gaussian_renderer.speech import extractor_of, speech_features
from gaussian_renderer.yuv import yuv420
from scene.audio_window import audio_windows
from scene.backdrop import Backdrops
from scene.dataset import TalkingHeadDataset
from scene.frames import Drive
from scene.head import AtRest, GaussianHead

BATCHES = {"cpu": 4, "cuda": 32}  # frames made at once unless the caller says otherwise
MAX_READERS = 8  # threads that decode backdrops
SOUND_RATE = 48_000  # Hz, what the encoder takes: nothing audible of a 44.1 or 48 kHz source is lost

Frame = UInt8[np.ndarray, "H W 3"]
Shown = Frame | UInt8[np.ndarray, "R W"]
"""A picture for an encoder: RGB, or the planes of :func:`yuv420`."""
Watch = Callable[[Iterable[Shown], int], Iterable[Shown]]
"""Passes frames through and shows how many of a number have passed (a progress bar)."""


@dataclass(frozen=True)
class Script:
    """What a video shows and says, 25 frames a second."""

    features: Float[Tensor, "M *D"]  # audio features; rows around the shown ones are their context
    rows: Int[Tensor, "F"]  # for each frame, its row of ``features``
    reference: Int[Tensor, "F"]  # for each frame, the data set's frame that lends pose, torso and eyes
    sound: Path | None = None  # file that is heard; None for a video without sound
    sound_start: float | None = None  # seconds on the file's clock where the video begins; None: at its first sample

    def __len__(self) -> int:
        return len(self.rows)


def ping_pong(count: int, num_frames: int) -> Int[Tensor, "count"]:
    """``count`` numbers that go 0, 1, ..., num_frames - 1, ..., 1, 0, 1, ...; the ends are not shown twice in a row."""
    period = max(2 * (num_frames - 1), 1)
    position = torch.arange(count) % period
    return torch.minimum(position, period - position)


def script_of_split(dataset: TalkingHeadDataset, frames: range) -> Script:
    """The data set's own frames with their own sound."""
    folder = dataset.folder
    sound = next((path for path in (folder.video, folder.audio) if path.is_file()), None)
    numbers = torch.arange(frames.start, frames.stop)
    return Script(dataset.audio, numbers, numbers, sound, frames.start / FPS)


def script_of_features(dataset: TalkingHeadDataset, features: Float[Tensor, "M *D"], sound: Path | None) -> Script:
    """Other speech: the clip's poses, torso and blinks go forth and back under it for as long as it lasts.

    Raises:
        EGSTalkerError: the features of a frame have another shape than the data set's.
    """
    if features.shape[1:] != dataset.audio.shape[1:]:
        raise EGSTalkerError(
            f"the custom audio features have shape {tuple(features.shape[1:])} a frame and the model wants "
            f"{dataset.feature_shape}; make them with the extractor that the data set was made with"
        )
    return Script(features, torch.arange(len(features)), ping_pong(len(features), dataset.num_frames), sound)


def script_of_sound(dataset: TalkingHeadDataset, sound: Path, work_folder: Path, device: str | None = None) -> Script:
    """The script for any sound file; raises what :func:`script_of_features` and ``speech_features`` do."""
    features = speech_features(sound, extractor_of(dataset.folder, dataset.feature_shape), work_folder, device)
    return script_of_features(dataset, features, sound)


def check_pair(head: GaussianHead, dataset: TalkingHeadDataset) -> None:
    """Raises EGSTalkerError where the model was trained on another kind of audio features than the data set's."""
    if tuple(head.feature_shape) != dataset.feature_shape:
        raise EGSTalkerError(
            f"the model hears audio features of shape {tuple(head.feature_shape)} a frame and those of "
            f"{dataset.folder.root} are {dataset.feature_shape}; give the data set that the model was trained on, or "
            "train again"
        )


def drive_of(head: GaussianHead, dataset: TalkingHeadDataset, script: Script, chosen: slice) -> Drive:
    """What moves the head in the chosen frames of a script, on the head's device."""
    device = next(head.parameters()).device
    reference = script.reference[chosen]
    audio, numbers = audio_windows(script.features, script.rows[chosen], head.settings.audio_window)
    camera = dataset.camera[reference].to(device)
    return Drive(audio.to(device), numbers.to(device), dataset.eyes[reference][:, None].to(device), camera)


def render_drive(
    head: GaussianHead, drive: Drive, background: Float[Tensor, "B H W 3"], at_rest: AtRest
) -> Float[Tensor, "B H W 3"]:
    """The driven head over its background, 0..1."""
    return render(head.deform(drive, at_rest), drive.camera, background).image.clamp_(0, 1)


def synthesise(
    head: GaussianHead, dataset: TalkingHeadDataset, script: Script, *, batch: int | None = None
) -> Iterator[Frame]:
    """The video's frames (RGB), made ``batch`` at a time and forgotten: memory does not grow with their number.

    ``batch``: by the device (``BATCHES``) if None.

    Reading what a batch needs, rendering the one before it, and what the caller does with the frames overlap.
    """
    return _frames(head, dataset, script, batch, _rgb)


def film(
    head: GaussianHead, dataset: TalkingHeadDataset, script: Script, *, batch: int | None = None
) -> Iterator[Shown]:
    """:func:`synthesise` for :func:`write_video`: a GPU converts to the encoder's colours, where sides are even."""
    on_gpu = next(head.parameters()).is_cuda
    even = dataset.width % 2 == dataset.height % 2 == 0
    return _frames(head, dataset, script, batch, yuv420 if on_gpu and even else _rgb)


def _frames(
    head: GaussianHead,
    dataset: TalkingHeadDataset,
    script: Script,
    batch: int | None,
    encode: Callable[[Tensor], Tensor],
) -> Iterator[Shown]:
    batch = batch or BATCHES[next(head.parameters()).device.type]
    return ahead(_rendered(head, ahead(_inputs(head, dataset, script, batch), 2), encode), 2 * batch)


def _inputs(
    head: GaussianHead, dataset: TalkingHeadDataset, script: Script, batch: int
) -> Iterator[tuple[Drive, Float[Tensor, "B H W 3"]]]:
    """What drives the head in each batch of frames, and the background, on the head's device."""
    device = next(head.parameters()).device
    pictures = backdrops_of(dataset, script.reference.tolist())
    for start in range(0, len(script), batch):
        drive = drive_of(head, dataset, script, slice(start, start + batch))
        background = torch.from_numpy(np.stack([next(pictures) for _ in range(len(drive))]))
        yield drive, background.to(device).float().div_(255)


def backdrops_of(dataset: TalkingHeadDataset, frames: Sequence[int]) -> Iterator[Frame]:
    """What is behind the head in each of ``frames``, read by several threads ahead of its use."""
    backdrops = Backdrops(dataset.folder)
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
        yield from torch.empty_like(pictures, device="cpu", pin_memory=pictures.is_cuda).copy_(pictures).numpy()


def _rgb(images: Float[Tensor, "B H W 3"]) -> UInt8[Tensor, "B H W 3"]:
    return images.mul_(255).round_().byte()


def write_video(frames: Iterable[Shown], script: Script, target: Path) -> int:
    """Stream frames and the script's sound, cut or padded to their length, into an mp4; returns the frames' number.

    Raises:
        EGSTalkerError: there are no frames, or the sound cannot be read. ``target`` is then what it was before.
    """
    sound = None if script.sound is None else iter_audio(script.sound, SOUND_RATE, origin=script.sound_start)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise EGSTalkerError(f"there are no frames to write into {target}")
    count = 1
    planar = first.ndim == 2
    width, height = first.shape[1], first.shape[0] * 2 // 3 if planar else first.shape[0]
    with VideoWriter(target, width, height, audio=sound, audio_rate=SOUND_RATE, hardware=planar) as writer:
        writer.write(first)
        for frame in frames:
            writer.write(frame)
            count += 1
    return count


def speak(
    head: GaussianHead,
    dataset: TalkingHeadDataset,
    sound: Path,
    target: Path,
    *,
    batch: int | None = None,
    watch: Watch = lambda frames, total: frames,
) -> int:
    """From a sound file of any length to a video of the head saying it; returns the number of frames.

    Raises:
        EGSTalkerError: the sound is unreadable, silent or too short, the model does not fit the data set, or the
            folder of ``target`` cannot be written.
    """
    check_pair(head, dataset)
    make_writable(target.parent)
    script = script_of_sound(dataset, sound, target.parent, next(head.parameters()).device.type)
    return write_video(watch(film(head, dataset, script, batch=batch), len(script)), script, target)


def make_writable(folder: Path) -> None:
    """Make a folder for results; raises EGSTalkerError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EGSTalkerError(f"cannot write to {folder}: {error.strerror}; choose another output folder") from error
