"""What a film shows and says: what drives the face, over which frames of a clip, to which sound."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from arguments.clock import FPS
from motion.driver import DrivenMotion
from motion.model_motion import ModelMotion
from scene.reference_clip import ReferenceClip
from synthesis.background import CLIP, Background
from synthesis.eyes import Blinking, blinks_of, eyes_while_speaking
from synthesis.pairing import check_features
from synthesis.signal import speaking_signal

LONG_ENOUGH = 2 * FPS  # frames of an unbroken stretch: a head that turns back sooner looks caged


@dataclass(frozen=True)
class Script:
    """What a video shows and says, 25 frames a second."""

    signal: Float[Tensor, "M *D"]  # codes or audio features; rows around the shown ones are their context
    rows: Int[Tensor, "F"]  # for each frame, its row of ``signal``
    reference: Int[Tensor, "F"]  # for each frame, the data set's frame that lends pose, torso and eyes
    sound: Path | None = None  # file that is heard; None for a video without sound
    sound_start: float | None = None  # seconds on the file's clock where the video begins; None: at its first sample
    sound_track: int | None = None  # the audio track that is heard, of several
    eyes: Float[Tensor, "F"] | None = None  # blink intensity of each frame, 0..1; the reference's unless given
    poses: Float[Tensor, "F 4 4"] | None = None  # head to camera, as Camera.viewmats; the reference's unless given
    background: Background = CLIP

    def __len__(self) -> int:
        return len(self.rows)


def eyes_of(clip: ReferenceClip, script: Script) -> Float[Tensor, "F"]:
    """Blink intensity in every frame of a script, 0..1."""
    return clip.eyes[script.reference] if script.eyes is None else script.eyes


def ping_pong(count: int, num_frames: int) -> Int[Tensor, "count"]:
    """``count`` numbers that go 0, 1, ..., num_frames - 1, ..., 1, 0, 1, ...; the ends are not shown twice in a row."""
    period = max(2 * (num_frames - 1), 1)
    position = torch.arange(count) % period
    return torch.minimum(position, period - position)


def borrowed_frames(clip: ReferenceClip) -> list[int]:
    """The frames whose poses and torsos are lent to other speech, ascending.

    Frames in which the person was away lend nothing, and motion should not jump: of several unbroken stretches it is
    the longest, within one shot. Where that is shorter than two seconds, shots may follow each other; where that is too
    short as well, everything is lent in which the person was seen.

    Returns:
        Numbers of the clip's frames; at least one.
    """
    usable = clip.usable(range(clip.num_frames))
    for cuts in (clip.cuts, frozenset()):
        stretch = _longest_stretch(usable, cuts)
        if len(stretch) >= LONG_ENOUGH:
            return stretch
    return usable


def lent_frames(clip: ReferenceClip, count: int) -> Int[Tensor, "{count}"]:
    """For each of ``count`` frames of other speech, the clip's frame that lends pose, torso and blinks."""
    lent = torch.tensor(borrowed_frames(clip))
    return lent[ping_pong(count, len(lent))]


def _longest_stretch(frames: list[int], cuts: Collection[int]) -> list[int]:
    """The longest part of ``frames`` (ascending) that follow each other, none but the first at a cut."""
    starts = [k for k, i in enumerate(frames) if k == 0 or frames[k - 1] != i - 1 or i in cuts]
    ends = [*starts[1:], len(frames)]
    return max((frames[start:end] for start, end in zip(starts, ends, strict=True)), key=len)


def script_of_frames(clip: ReferenceClip, frames: Sequence[int], signal: Float[Tensor, "N *D"]) -> Script:
    """The data set's own frames, whichever they are; there is no sound, for they need not follow each other.

    ``signal``: what drives the face in every frame of the clip, as :func:`synthesis.signal.own_signal` has it.
    """
    numbers = torch.tensor(list(frames))
    return Script(signal, numbers, numbers)


def script_of_split(clip: ReferenceClip, frames: range, signal: Float[Tensor, "N *D"]) -> Script:
    """The data set's own frames with their own sound, silent where some between them are left out; ``signal`` as in
    :func:`script_of_frames`."""
    folder = clip.folder
    sound = next((path for path in (folder.video, folder.audio) if path.is_file()), None)
    heard = range(clip.num_frames) if folder.heard is None else folder.heard
    start = heard[frames.start]
    if list(heard[frames.start : frames.stop]) != list(range(start, start + len(frames))):
        sound = None
    numbers = torch.arange(frames.start, frames.stop)
    return Script(signal, numbers, numbers, sound, start / FPS)


def script_of_signal(
    clip: ReferenceClip, signal: Float[Tensor, "M *D"], sound: Path | None, eyes: Float[Tensor, "M"] | None = None
) -> Script:
    """Other speech: the clip's poses and torso (:func:`borrowed_frames`) go forth and back under it.

    So do its blinks, unless ``eyes`` are given: the blink intensity of every frame, 0..1.
    """
    return Script(signal, torch.arange(len(signal)), lent_frames(clip, len(signal)), sound, eyes=eyes)


def script_of_motion(
    clip: ReferenceClip,
    driven: DrivenMotion,
    sound: Path | None,
    sound_start: float | None = None,
    track: int | None = None,
) -> Script:
    """:func:`script_of_signal` of a driver's codes, with the blinks and poses that it has."""
    script = script_of_signal(clip, driven.codes, sound)
    return replace(script, sound_start=sound_start, sound_track=track, eyes=driven.eyes, poses=driven.poses)


def script_of_features(
    clip: ReferenceClip,
    features: Float[Tensor, "M *D"],
    sound: Path | None,
    motion: ModelMotion | None = None,
    *,
    blinking: Blinking = "own",
    seed: int = 0,
) -> Script:
    """:func:`script_of_signal` of what a sound's audio features make the face do.

    Args:
        clip: what lends pose and torso.
        features: of the sound.
        sound: that is heard.
        motion: of a head that is driven by codes.
        blinking: where blinks come from.
        seed: of everything random.

    Raises:
        EGSTalkerError: the features of a frame have another shape than those that the model learnt with.
    """
    check_features(tuple(features.shape[1:]), clip, motion)
    eyes = eyes_while_speaking(blinking, blinks_of(motion, clip), len(features), seed=seed)
    return script_of_signal(clip, speaking_signal(motion, features, seed=seed), sound, eyes)


def script_of_sound(
    clip: ReferenceClip,
    sound: Path,
    work_folder: Path,
    device: str | None = None,
    motion: ModelMotion | None = None,
    *,
    track: int | None = None,
    blinking: Blinking = "own",
    seed: int = 0,
) -> Script:
    """The script for any sound file; ``blinking`` and ``seed`` as in :func:`script_of_features`, ``track`` the number
    of its audio track.

    Raises what :func:`synthesis.speech.heard` does.
    """
    from synthesis.speech import extractor_of, heard  # loads PyAV, which the other scripts do without

    speech = heard(sound, extractor_of(clip, motion), work_folder, device, track)
    signal = speaking_signal(motion, speech.features, speech.activity, seed=seed)
    blinks = blinks_of(motion, clip)
    eyes = eyes_while_speaking(blinking, blinks, len(signal), seed=seed, activity=speech.activity)
    return replace(script_of_signal(clip, signal, sound, eyes), sound_track=track)
