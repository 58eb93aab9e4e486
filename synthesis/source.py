"""Whatever a user gives to drive a head becomes a script."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from arguments.clock import FPS, SAMPLE_RATE
from arguments.errors import EGSTalkerError
from motion.driver import DrivenMotion
from motion.head_turns import turned_poses
from motion.model_motion import ModelMotion
from motion.table_driver import write_codes
from motion.video_driver import Watch, follow_driver, reenact
from scene.clip import Clip
from synthesis.eyes import Blinking, blinks_of, eyes_while_speaking
from synthesis.script import Script, borrowed_frames, eyes_of, reference_path, script_of_motion, script_of_sound

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """What drives a head: sound alone; or a motion or another face, to which the sound is heard."""

    sound: Path | None = None
    """Any sound or video file."""
    motion: Path | None = None
    """A file of :func:`motion.motion_file.read_motion`."""
    video: Path | None = None
    """It shows the face that drives; its own sound is heard where there is no other."""
    with_pose: bool = False
    """Whether the head turns as the video's does."""
    audio_track: int | None = None
    """Of several in what is heard, the one that is, from 1 on; None: by its flags and what it holds."""

    @property
    def name(self) -> str:
        """What a film of it is called."""
        path = self.video or self.motion or self.sound
        if path is None:
            raise ValueError("a source is a sound, a motion or a video")
        return path.stem

    @property
    def speaks(self) -> bool:
        """Whether its sound drives the head."""
        return self.motion is None and self.video is None

    def files(self) -> list[Path]:
        """All that it reads."""
        return [path for path in (self.sound, self.motion, self.video) if path is not None]


def script_of(
    source: Source,
    clip: Clip,
    motion: ModelMotion | None,
    *,
    work_folder: Path,
    device: str | None = None,
    blinking: Blinking = "own",
    seed: int = 0,
    watch: Watch = lambda pictures, total: pictures,
) -> Script:
    """The script of a source.

    Args:
        source: what drives the head.
        clip: what lends poses, torso and, where the source has none, blinks.
        motion: of a head that codes drive; None of one that audio features do.
        work_folder: for passing files.
        device: of the extractor's model.
        blinking: where blinks come from that the source does not have.
        seed: of everything random.
        watch: a progress bar over the pictures of a driving video.

    Raises:
        EGSTalkerError: a file of the source cannot be used, or not by this head.
    """
    if source.motion is None and source.video is None:
        if source.sound is None:
            raise ValueError("a source is a sound, a motion or a video")
        track = heard_track(source.sound, source.audio_track)
        return script_of_sound(
            clip, source.sound, work_folder, device, motion, track=track, blinking=blinking, seed=seed
        )
    if motion is None:
        raise EGSTalkerError("audio features drive this head, no motion; train one with drive = 'motion'")
    if source.motion is None:
        return _script_of_video(source, clip, motion, watch)
    from motion.motion_file import read_motion

    driven = read_motion(source.motion, motion)
    if driven.eyes is None:
        blinks = blinks_of(motion, clip)
        driven = replace(driven, eyes=eyes_while_speaking(blinking, blinks, len(driven), seed=seed))
    return _with_sound(clip, driven, source)


def _script_of_video(source: Source, clip: Clip, motion: ModelMotion, watch: Watch) -> Script:
    from media.video import probe

    video = source.video
    if video is None:
        raise ValueError("the source is no video")
    face = follow_driver(video, watch)
    driven = reenact(face, motion)
    if source.with_pose:
        poses = clip.camera.viewmats
        lent = torch.from_numpy(reference_path(clip, len(face)).poses(poses.numpy()))
        seen = poses[list(borrowed_frames(clip))]
        driven = replace(driven, poses=turned_poses(face.turning, lent, seen))
    if source.sound is not None:
        return _with_sound(clip, driven, source)
    info = probe(video)
    if not info.has_audio:
        return script_of_motion(clip, driven, None)
    track = heard_track(video, source.audio_track)
    return script_of_motion(clip, driven, video, info.start, track)


def _with_sound(clip: Clip, driven: DrivenMotion, source: Source) -> Script:
    """The script of a motion under a sound of its own."""
    track = None if source.sound is None else heard_track(source.sound, source.audio_track)
    script = script_of_motion(clip, driven, source.sound, track=track)
    say_other_length(source.sound, len(script), "motion", track)
    return script


def heard_track(sound: Path, wanted: int | None = None) -> int | None:
    """The audio track of a file that is heard; says it where there was a choice, and what is done to its sound.

    Raises:
        EGSTalkerError: it cannot be read, or has no such track.
    """
    from data_utils.track_choice import choose_track  # loads PyAV
    from media.sound_survey import survey

    choice = choose_track(sound, wanted)
    for remark in filter(None, (choice.line, *survey(sound, choice.number).remarks)):
        logger.warning(remark)
    return choice.number


def save_motion(path: Path, clip: Clip, script: Script, motion: ModelMotion | None) -> None:
    """Write the codes and blinks of a script's frames as a table that drives the head again.

    Raises:
        EGSTalkerError: the head has no codes, or the file cannot be written.
    """
    if motion is None:
        raise EGSTalkerError("audio features drive this head: there are no codes to save; leave out --save_motion")
    write_codes(path, script.signal[script.rows], eyes_of(clip, script))


def say_other_length(sound: Path | None, num_frames: int, what: str, track: int | None = None) -> None:
    """Say it where a film's sound is more than a second longer or shorter than what drives it.

    Args:
        sound: that is heard; None for none.
        num_frames: of the film.
        what: drives it, in words.
        track: of the sound's file.
    """
    from media.sound import iter_audio  # loads PyAV

    if sound is None:
        return
    seconds = sum(len(block) for block in iter_audio(sound, SAMPLE_RATE, track=track)) / SAMPLE_RATE
    if abs(seconds - num_frames / FPS) > 1:
        logger.warning(
            "%.1f s of %s are given and %s lasts %.1f s; the film lasts as long as the %s",
            *(num_frames / FPS, what, sound, seconds, what),
        )
