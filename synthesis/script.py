"""What a film shows and says: what drives the face, over which frames of a clip, to which sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from arguments.clock import FPS
from motion.driver import DrivenMotion
from motion.frame_path import FramePath, forward_path, places_of, unbroken
from motion.model_motion import ModelMotion
from scene.clip import Clip
from scene.reference_clip import ReferenceClip
from scene.torso import Torso
from synthesis.background import CLIP, Background
from synthesis.eyes import Blinking, blinks_of, eyes_while_speaking
from synthesis.pairing import check_features
from synthesis.signal import speaking_signal

LONG_ENOUGH = 2 * FPS  # frames of an unbroken stretch: a head that turns back sooner looks caged


@dataclass(frozen=True)
class ShownTorso:
    """The torso of a film."""

    torso: Torso
    body: Float[Tensor, "F 12"]
    """How the body has moved in each frame."""


@dataclass(frozen=True)
class Voice:
    """What of a sound the head's turns go along with, in each frame."""

    speaks: Float[np.ndarray, "F"]
    """Share of speech, 0..1."""
    loudness: Float[np.ndarray, "F"]
    """Of :func:`data_utils.voice.loudness`."""


@dataclass(frozen=True)
class Script:
    """What a video shows and says, 25 frames a second."""

    signal: Float[Tensor, "M *D"]  # codes or audio features; rows around the shown ones are their context
    rows: Int[Tensor, "F"]  # for each frame, its row of ``signal``
    reference: FramePath  # through the data set's frames, that lend pose, torso and eyes
    sound: Path | None = None  # file that is heard; None for a video without sound
    sound_start: float | None = None  # seconds on the file's clock where the video begins; None: at its first sample
    sound_track: int | None = None  # the audio track that is heard, of several
    eyes: Float[Tensor, "F"] | None = None  # blink intensity of each frame, 0..1; the reference's unless given
    poses: Float[Tensor, "F 4 4"] | None = None  # head to camera, as Camera.viewmats; the reference's unless given
    background: Background = CLIP
    torso: ShownTorso | None = None  # the reference's pictures of it unless given
    voice: Voice | None = None  # of what is said, where sound drives the head

    def __len__(self) -> int:
        return len(self.rows)


def eyes_of(clip: Clip, script: Script) -> Float[Tensor, "F"]:
    """Blink intensity in every frame of a script, 0..1."""
    if script.eyes is not None:
        return script.eyes
    return torch.from_numpy(script.reference.blended(clip.eyes.numpy()))


def borrowed_frames(clip: Clip) -> list[int]:
    """The frames whose poses and torsos are lent to other speech, ascending.

    Frames in which the person was away lend nothing, and motion should not jump: of several unbroken stretches it is
    the longest, within one shot. Where that is shorter than two seconds, shots may follow each other; where that is too
    short as well, everything is lent in which the person was seen.

    Returns:
        Numbers of the clip's frames; at least one.
    """
    usable = clip.usable(range(clip.num_frames))
    for cuts in (clip.cuts, frozenset[int]()):
        begin, end = max(unbroken(usable, cuts), key=lambda piece: piece[1] - piece[0])
        if end - begin >= LONG_ENOUGH:
            return list(range(begin, end))
    return usable


def reference_path(clip: Clip, count: int) -> FramePath:
    """For each of ``count`` frames of other speech, the clip's frame that lends pose, torso and blinks: forward, with
    returns that do not show."""
    lent = np.array(borrowed_frames(clip))
    path = forward_path(places_of(clip.camera.viewmats[lent].double().numpy()), (0, len(lent)), count)
    return FramePath(lent[path.first], lent[path.second], path.mix)


def script_of_frames(clip: Clip, frames: Sequence[int], signal: Float[Tensor, "N *D"]) -> Script:
    """The data set's own frames, whichever they are; there is no sound, for they need not follow each other.

    ``signal``: what drives the face in every frame of the clip, as :func:`synthesis.signal.own_signal` has it.
    """
    return Script(signal, torch.tensor(list(frames)), FramePath.of(frames))


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
    return Script(signal, numbers, FramePath.of(frames), sound, start / FPS)


def script_of_signal(
    clip: Clip, signal: Float[Tensor, "M *D"], sound: Path | None, eyes: Float[Tensor, "M"] | None = None
) -> Script:
    """Other speech, over the clip's poses and torso (:func:`reference_path`).

    So do its blinks, unless ``eyes`` are given: the blink intensity of every frame, 0..1.
    """
    return Script(signal, torch.arange(len(signal)), reference_path(clip, len(signal)), sound, eyes=eyes)


def script_of_motion(
    clip: Clip,
    driven: DrivenMotion,
    sound: Path | None,
    sound_start: float | None = None,
    track: int | None = None,
) -> Script:
    """:func:`script_of_signal` of a driver's codes, with the blinks and poses that it has."""
    script = script_of_signal(clip, driven.codes, sound)
    return replace(script, sound_start=sound_start, sound_track=track, eyes=driven.eyes, poses=driven.poses)


def script_of_features(
    clip: Clip,
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
    clip: Clip,
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
    script = script_of_signal(clip, signal, sound, eyes)
    return replace(script, sound_track=track, voice=Voice(speech.activity.numpy(), speech.loudness))
