"""What people give: taken from where the browser's uploads arrive, checked, and kept under names of ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from arguments.errors import EGSTalkerError
from live.page.home import HeadFolder, Home, next_folder
from media.container import has_pictures, video_suffixes
from media.tracks import audio_tracks

FORGOTTEN = 24 * 3600.0  # seconds after which a video of which nobody made a head is thrown away


@dataclass(frozen=True)
class Limits:
    """How large uploads may be."""

    megabytes: int = 4096
    """Of a video."""
    sound_megabytes: int = 500
    """Of what a head is to say."""


def take_video(home: Home, sent: object, limits: Limits) -> Path:
    """Keep a video that was sent; returns it.

    Raises:
        EGSTalkerError: it is no upload of this page, too large, or no video with sound.
    """
    path = home.upload(sent)
    _check_size(path, limits.megabytes)
    if not has_pictures(path):
        raise _refused(path, "this file is not a video; give one of a person who speaks")
    if not audio_tracks(path):
        raise _refused(path, "this video has no sound; give one in which the person is heard to speak")
    forget_old_clips(home)
    target = next_folder(home.clips) / f"clip{_suffix(path, '.mp4')}"
    shutil.move(path, target)
    return target


def take_sound(home: Home, head: HeadFolder, sent: object, limits: Limits) -> Path:
    """Keep a sound that a head is to say; returns it. A copy: the player of the page goes on with what was sent.

    Raises:
        EGSTalkerError: it is no upload of this page, too large, or has no sound.
    """
    path = home.upload(sent)
    _check_size(path, limits.sound_megabytes)
    if not audio_tracks(path):
        raise EGSTalkerError("there is no sound in this file; give a sound file, or a video with sound")
    folder = next_folder(head.sounds)
    target = folder / f"sound{_suffix(path, '.wav')}"
    shutil.copyfile(path, target)
    return target


def clip_of(folder: Path) -> Path:
    """The video in the folder of a clip. Raises EGSTalkerError where it is gone."""
    video = next((path for path in sorted(folder.glob("clip.*")) if path.is_file()), None)
    if video is None:
        raise EGSTalkerError("that video is gone; give it again")
    return video


def give_to_head(clip: Path, head: HeadFolder) -> Path:
    """Put a clip into the folder of a head, without a second copy of it where the disk allows."""
    target = head.root / clip.name
    try:
        os.link(clip, target)
    except OSError:
        shutil.copyfile(clip, target)
    return target


def forget_old_clips(home: Home) -> None:
    """Throw away the videos that were looked at a day ago; heads that were made of them have them themselves."""
    for folder in home.clips.iterdir():
        with contextlib.suppress(OSError):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(folder, ignore_errors=True)


def _check_size(path: Path, megabytes: int) -> None:
    size = path.stat().st_size
    if size > megabytes * 1_000_000:
        raise _refused(path, f"this file has {size / 1e6:.0f} MB; at most {megabytes} are taken")
    if size == 0:
        raise _refused(path, "this file is empty")


def _refused(path: Path, why: str) -> EGSTalkerError:
    path.unlink(missing_ok=True)
    return EGSTalkerError(why)


def _suffix(path: Path, usual: str) -> str:
    """The suffix that was sent where it is one of a media format, else the usual one."""
    suffix = path.suffix.lower()
    return suffix if suffix in video_suffixes() else usual
