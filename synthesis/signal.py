"""What drives a head's face while something is said: its audio features, or the codes that its speech model hears."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from data_utils.clip_sound import read_clip_sound
from data_utils.voice import speech_share
from motion.model_motion import ModelMotion
from motion.speech_model import SpeechModel
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip

HEARD = 0.15  # correlation with the truth from which on brows and cheeks follow what a speech model says


def motion_of(head: GaussianHead, model_path: Path, *, needs_speech: bool = True) -> ModelMotion | None:
    """The motion of a model whose head is driven by codes; None for one that is driven by audio features.

    ``needs_speech``: whether its speech model has to be there.

    Raises:
        EGSTalkerError: a file of it is missing or damaged.
    """
    folder = ModelFolder(model_path)
    return ModelMotion.load(folder, needs_speech=needs_speech) if head.settings.drive == "motion" else None


def speech_of(motion: ModelMotion | None) -> SpeechModel | None:
    """The speech model of a motion that was loaded with it."""
    return None if motion is None else motion.speech


def signal_of(
    motion: ModelMotion | None, features: Float[Tensor, "N *D"], activity: Float[Tensor, "N"] | None = None
) -> Float[Tensor, "N *K"]:
    """What drives the face while sound of these ``features`` is heard; ``activity``: share of speech in each row."""
    speech = speech_of(motion)
    return features if speech is None else speech(features, activity)


def speaking_signal(
    motion: ModelMotion | None,
    features: Float[Tensor, "N *D"],
    activity: Float[Tensor, "N"] | None = None,
    *,
    seed: int,
) -> Float[Tensor, "N *K"]:
    """:func:`signal_of` other speech than the clip's: what the sound does not tell of brows and cheeks is idle motion.

    Args:
        motion: of a head that is driven by codes; None: audio features drive it.
        features: of the sound.
        activity: share of speech in each row.
        seed: of the idle motion.
    """
    signal = signal_of(motion, features, activity)
    if motion is None or motion.speech is None or motion.idle is None:
        return signal
    unheard = motion.speech.correlation < HEARD
    unheard[: len(motion.code) - len(motion.code.upper)] = False
    return torch.where(unheard, torch.from_numpy(motion.idle.generate(len(signal), seed)), signal)


def measured_signal(motion: ModelMotion | None, clip: ReferenceClip) -> Float[Tensor, "N K"]:
    """The codes that were measured in a clip's own frames.

    Raises:
        EGSTalkerError: the model has none, or they are another clip's.
    """
    if motion is None:
        raise EGSTalkerError("a head that audio features drive has no measured motion: leave out val_measured")
    if len(motion.measured) != clip.num_frames:
        raise EGSTalkerError(f"the model has measured {len(motion.measured)} frames, not those of {clip.folder.root}")
    return motion.measured


def own_signal(motion: ModelMotion | None, clip: ReferenceClip) -> Float[Tensor, "N *K"]:
    """What drives the face in a clip's own frames: as its sound says, not as its pictures do."""
    if motion is None:
        return clip.audio
    activity = None
    if clip.folder.audio.is_file():
        samples = read_clip_sound(clip.folder, clip.num_frames)
        activity = torch.from_numpy(speech_share(samples, clip.num_frames))
    return signal_of(motion, clip.audio, activity)
