"""The videos that render.py writes: a split and its truth, and other speech."""

from __future__ import annotations

from pathlib import Path

import torch

from arguments.errors import EGSTalkerError
from data_utils.audio_features.feature_file import read_feature_file
from data_utils.cures import read_picture
from motion.model_motion import ModelMotion
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip
from synthesis.film import make_writable, speak, write_video
from synthesis.pairing import check_pair
from synthesis.rendering import Watch, film
from synthesis.script import script_of_features, script_of_split
from synthesis.signal import own_signal
from synthesis.source import say_other_length
from synthesis.torso import LearntTorso, with_torso


def split_videos(
    head: GaussianHead,
    clip: ReferenceClip,
    frames: range,
    folder: Path,
    *,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
    batch: int | None = None,
    watch: Watch = lambda frames, total: frames,
) -> int:
    """Write ``renders.mp4`` and ``gt.mp4`` (from ``gt_imgs``) with the split's sound; returns the number of frames.

    Raises:
        EGSTalkerError: the model does not fit the data set, a file of it is missing, or ``folder`` cannot be written.
    """
    check_pair(head, clip, motion)
    make_writable(folder)
    script = with_torso(script_of_split(clip, frames, own_signal(motion, clip)), torso, clip)
    write_video(
        (read_picture(clip.folder, clip.folder.ground_truth_image(i)) for i in frames), script, folder / "gt.mp4"
    )
    renders = watch(film(head, clip, script, batch=batch), len(frames))
    return write_video(renders, script, folder / "renders.mp4")


def custom_video(
    head: GaussianHead,
    clip: ReferenceClip,
    target: Path,
    *,
    sound: Path | None,
    features: Path | None,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
    batch: int | None = None,
    watch: Watch = lambda frames, total: frames,
) -> int:
    """Write a video of other speech, from its features, its sound, or both; returns the number of its frames.

    Features set the length: one frame a row, the sound is cut or padded to it. Without features they are made from the
    sound; without sound the video is silent.

    Raises:
        EGSTalkerError: neither is given, one of them cannot be used, or ``target`` cannot be written.
    """
    if features is None:
        if sound is None:
            raise EGSTalkerError("other speech needs its features or its sound")
        return speak(head, clip, sound, target, motion=motion, torso=torso, batch=batch, watch=watch)
    check_pair(head, clip, motion)
    make_writable(target.parent)
    script = script_of_features(clip, torch.from_numpy(read_feature_file(features)), sound, motion)
    script = with_torso(script, torso, clip)
    say_other_length(sound, len(script), "features")
    return write_video(watch(film(head, clip, script, batch=batch), len(script)), script, target)
