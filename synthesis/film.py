"""Frames and sound become a video file, a few frames at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from arguments.errors import EGSTalkerError
from media.picture_sequence import PictureSequence
from media.sound import iter_audio
from media.video_writer import ENDINGS, VideoWriter
from motion.model_motion import ModelMotion
from scene.clip import Clip
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip
from synthesis.background import CLIP, Background
from synthesis.eyes import Blinking
from synthesis.full_frame import Place, pasted
from synthesis.pairing import check_pair
from synthesis.poses import REFERENCE, Posing, posed
from synthesis.rendering import Shown, Watch, film
from synthesis.script import Script
from synthesis.source import Source, save_motion, script_of
from synthesis.torso import LearntTorso, with_torso

SOUND_RATE = 48_000  # Hz, what the encoder takes: nothing audible of a 44.1 or 48 kHz source is lost


def write_video(frames: Iterable[Shown], script: Script, target: Path) -> int:
    """Stream frames and the script's sound, cut or padded to their length, into a film; returns the frames' number.

    ``target`` ends in one of :data:`media.video_writer.ENDINGS`; otherwise it is a folder of pictures.

    Raises:
        EGSTalkerError: there are no frames, or the sound cannot be read. ``target`` is then what it was before.
    """
    sound = None
    if script.sound is not None:
        sound = iter_audio(script.sound, SOUND_RATE, origin=script.sound_start, track=script.sound_track)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise EGSTalkerError(f"there are no frames to write into {target}")
    count = 1
    planar = first.ndim == 2
    width, height = first.shape[1], first.shape[0] * 2 // 3 if planar else first.shape[0]
    written: VideoWriter | PictureSequence = PictureSequence(target, audio=sound, audio_rate=SOUND_RATE)
    if target.suffix in ENDINGS:
        written = VideoWriter(target, width, height, audio=sound, audio_rate=SOUND_RATE, hardware=planar)
    with written as writer:
        writer.write(first)
        for frame in frames:
            writer.write(frame)
            count += 1
    return count


def speak(
    head: GaussianHead,
    clip: Clip,
    sound: Path,
    target: Path,
    *,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
    blinking: Blinking = "own",
    seed: int = 0,
    batch: int | None = None,
    watch: Watch = lambda frames, total: frames,
) -> int:
    """From a sound file of any length to a video of the head saying it; returns the number of frames.

    A silent one gives a head that is there and says nothing.

    Args:
        head: of the model.
        clip: what lends pose and torso.
        sound: what is said.
        target: the video.
        motion: of a head that is driven by codes.
        torso: of the model; the clip's pictures unless given.
        blinking: where blinks come from.
        seed: of everything random: the same gives the same film.
        batch: frames rendered at once.
        watch: a progress bar over the frames.

    Raises:
        EGSTalkerError: the sound is unreadable or too short, the model does not fit the data set, or the
            folder of ``target`` cannot be written.
    """
    return perform(
        *(head, clip, Source(sound), target),
        motion=motion,
        torso=torso,
        blinking=blinking,
        seed=seed,
        batch=batch,
        watch=watch,
    )


def perform(
    head: GaussianHead,
    clip: Clip,
    source: Source,
    target: Path,
    *,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
    saved: Path | None = None,
    background: Background = CLIP,
    posing: Posing = REFERENCE,
    place: Place | None = None,
    blinking: Blinking = "own",
    seed: int = 0,
    batch: int | None = None,
    watch: Watch = lambda frames, total: frames,
    follow: Watch = lambda pictures, total: pictures,
) -> int:
    """From whatever drives a head to a video of it; returns the number of frames.

    Args:
        head: to be driven.
        clip: lends it what the source lacks.
        source: what drives it.
        target: the video.
        motion: of a head that is driven by codes.
        torso: of the model; the clip's pictures unless given.
        saved: where the codes are written that drove it, as a table.
        background: what stands behind the person.
        posing: how the head is held, where the source does not say it.
        place: where the person is put back into the clip's video; None: the film is as large as the clip.
        blinking: where blinks come from, if not from the source.
        seed: of everything random: the same gives the same film.
        batch: frames made at once; by the device if None.
        watch: shows how many frames have passed.
        follow: shows how many pictures of a driving video have.

    Raises:
        EGSTalkerError: the source cannot be used, or not by this head; the model does not fit the data set; or a file
            cannot be written.
    """
    make_writable(target.parent)
    script = staged(
        *(head, clip, source, target.parent),
        motion=motion,
        torso=torso,
        background=background if place is None else Background(is_transparent=True),
        posing=posing,
        blinking=blinking,
        seed=seed,
        follow=follow,
    )
    if saved is not None:
        save_motion(saved, clip, script, motion)
    frames = watch(film(head, clip, script, batch=batch), len(script))
    if place is not None:
        if not isinstance(clip, ReferenceClip):
            raise ValueError("a person is put back among the frames of a dataset")
        frames = pasted(frames, script.reference, clip, place)
    return write_video(frames, script, target)


def staged(
    head: GaussianHead,
    clip: Clip,
    source: Source,
    work_folder: Path,
    *,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
    background: Background = CLIP,
    posing: Posing = REFERENCE,
    blinking: Blinking = "own",
    seed: int = 0,
    follow: Watch = lambda pictures, total: pictures,
) -> Script:
    """The whole script of what drives a head: the arguments are those of :func:`perform`, which raises the same.

    ``work_folder``: for passing files.
    """
    check_pair(head, clip, motion)
    device = str(next(head.parameters()).device)
    script = script_of(
        source, clip, motion, work_folder=work_folder, device=device, blinking=blinking, seed=seed, watch=follow
    )
    body = torso.motion.measured if torso is not None and torso.is_of(clip) else None
    return with_torso(posed(replace(script, background=background), clip, posing, seed, body), torso, clip)


def rest_remark(model_path: Path, iteration: int) -> str:
    """What is to be said before a film of a head that does not move yet; empty of one that does.

    Args:
        model_path: as the user named it.
        iteration: of the fine stage, of :func:`scene.head_files.load_head`.
    """
    if iteration:
        return ""
    return f"{model_path} has learnt a head at rest so far: its lips do not move yet; ./train.sh goes on"


def make_writable(folder: Path) -> None:
    """Make a folder for results; raises EGSTalkerError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EGSTalkerError(f"cannot write to {folder}: {error.strerror}; choose another output folder") from error
