"""The page that says what a clip is like and what of it will limit the head; the same as JSON.

Where a quality begins to limit a head is taken from what is known elsewhere here; each threshold says from where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from arguments.clock import FPS, timestamp
from data_utils.clip_report.pictures import EVERY, PictureMeasures, measure_pictures
from data_utils.clip_report.sound import SoundMeasures, measure_sound, speech_pieces
from data_utils.clip_report.sync import measure_lag
from data_utils.face_mesh import MAX_LOST_SHARE
from data_utils.sound_lag import IN_STEP
from data_utils.soundtrack import CLIPPED_SHARE
from data_utils.source import Source
from data_utils.timeline import spans
from media.sound import read_audio

GOOD_SPEECH = 120.0  # seconds: from two minutes on, lips follow best (README, "lips do not follow the sound")
LITTLE_SPEECH = 20.0  # seconds, below which another person's speech helps (the same)
SMALL_PICTURE = 384  # pixels: the smallest that there are figures of (README, "Figures")
FARTHEST_TURN = 45.0  # degrees: of the sample's figure with parted lips FaceMesh's gap keeps within a fifth up to
# there; beyond 55 it is two thirds off, and at 70 the face is lost
LIGHT = 8.0  # grey levels of 255, off by which a head of one light has 30 dB, the figures' PSNR of the face
CAMERA = 1.0  # pixels of the frames: beyond, the one background picture (bc.jpg) is not the frames' own
NOISE = 16.0  # dB below speech; what is nearer counts as speech itself (audio_features/speech_activity.py)
_QUIET = 60.0  # dB beyond which a number says nothing


@dataclass(frozen=True)
class Quality:
    """One line of the page."""

    name: str
    value: str
    limit: str = ""  # what it limits and what to do; empty where it limits nothing


@dataclass(frozen=True)
class ClipReport:
    """What a clip is like."""

    name: str  # of the file
    seconds: float
    pictures: PictureMeasures
    sound: SoundMeasures
    lag: int | None  # frames by which lips come after their sound; None: not known

    def qualities(self) -> list[Quality]:
        """All ten, in the page's order."""
        return [
            *(_speech(self), _face(self), _size(self), _turn(self), _light(self)),
            *(_camera(self), _cuts(self), _sync(self), _noise(self), _clipping(self)),
        ]

    def page(self) -> str:
        """Plain lines: a head, one for each quality, and how many limit the head."""
        qualities = self.qualities()
        lines = [f"{self.name}, {timestamp(self.seconds)}: what will limit the head"]
        for quality in qualities:
            limit = f"  <- {quality.limit}" if quality.limit else ""
            lines.append(f"  {quality.name:<9} {quality.value}{limit}")
        count = sum(bool(quality.limit) for quality in qualities)
        lines.append(f"  {count} of {len(qualities)} limit it" if count else "  nothing of this")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same, in numbers: seconds, pixels, degrees, grey levels, dB and shares; null where something is not
        known; and the sentences of what limits the head, by quality."""
        pictures, sound = self.pictures, self.sound
        return {
            "video": self.name,
            "seconds": round(self.seconds, 2),
            "speech_seconds": round(sound.speech, 2),
            "face_share": round(pictures.face_share, 4),
            "face_height": round(pictures.face_height, 1),
            "picture_side": pictures.picture_side,
            "yaw_degrees": [round(angle, 1) for angle in pictures.yaw],
            "light_change": round(pictures.light, 2),
            "camera_motion": None if pictures.camera is None else round(pictures.camera, 2),
            "cuts": [round(number / FPS, 2) for number in pictures.cuts],
            "seconds_sought_for_cuts": round(pictures.looked_at / FPS, 2),
            "sync_lag": None if self.lag is None else self.lag / FPS,
            "speech_to_noise": round(sound.speech_to_noise, 1),
            "clipped_share": round(sound.clipped, 5),
            "limits": {quality.name: quality.limit for quality in self.qualities() if quality.limit},
        }


def inspect_clip(source: Source) -> ClipReport:
    """Look at a clip for a few seconds.

    Raises:
        EGSTalkerError: the video will not do: see :class:`data_utils.source.Source`.
    """
    info, track = source.info, source.track.number
    pictures = measure_pictures(source)
    seconds = info.num_frames / FPS
    samples = read_audio(source.path, origin=info.start, seconds=seconds, track=track)
    lag = measure_lag(source, samples, speech_pieces(samples), info.num_frames)
    return ClipReport(source.path.name, seconds, pictures, measure_sound(samples), lag)


def _speech(report: ClipReport) -> Quality:
    seconds = report.sound.speech
    limit = ""
    if seconds < LITTLE_SPEECH:
        limit = "lips learn little; film two minutes, or train with --speech_prior and another person's dataset"
    elif seconds < GOOD_SPEECH:
        limit = "two minutes or more let lips follow better"
    return Quality("speech", f"{seconds:.0f} of {report.seconds:.0f} s", limit)


def _face(report: ClipReport) -> Quality:
    pictures = report.pictures
    share, limit = pictures.face_share, ""
    if share < 1:
        lost = np.zeros(round(report.seconds * FPS) // EVERY + 1, bool)
        lost[pictures.frames[~pictures.found] // EVERY] = True
        allowed = share >= 1 - MAX_LOST_SHARE
        what = "nothing is learnt there" if allowed else f"more than {MAX_LOST_SHARE:.0%} are refused"
        limit = f"it is away at about {spans(lost, rate=FPS / EVERY)}: {what}; cut that out"
    return Quality("face", f"in {share:.0%} of {len(pictures.found)} pictures", limit)


def _size(report: ClipReport) -> Quality:
    side = report.pictures.picture_side
    value = f"{report.pictures.face_height:.0f} pixels tall, in frames of {side} x {side}"
    return Quality(
        "size", value, "film closer, or with more pixels, for a sharper head" if side < SMALL_PICTURE else ""
    )


def _turn(report: ClipReport) -> Quality:
    left, right = report.pictures.yaw
    far = max(-left, right) > FARTHEST_TURN
    limit = "lips are not measured well from the side; look at the camera" if far else ""
    return Quality("turn", f"yaw from {left:+.0f} to {right:+.0f} degrees, as far as the head will turn", limit)


def _light(report: ClipReport) -> Quality:
    limit = (
        "a head has one light; keep lamps, daylight and exposure as they are" if report.pictures.light > LIGHT else ""
    )
    return Quality("light", f"the face's changes by {report.pictures.light:.1f} grey levels", limit)


def _camera(report: ClipReport) -> Quality:
    strays = report.pictures.camera
    if strays is None:
        return Quality("camera", "not sure: little of the background can be followed")
    limit = "there is one background for all frames; put the camera on a stand" if strays > CAMERA else ""
    return Quality("camera", f"the background strays by {strays:.1f} pixels", limit)


def _cuts(report: ClipReport) -> Quality:
    cuts, looked_at = report.pictures.cuts, report.pictures.looked_at / FPS
    within = "" if looked_at > report.seconds - 1 else f" in the {looked_at:.0f} s that were looked at"
    if not cuts:
        return Quality("cuts", f"none{within}")
    marked = np.zeros(max(cuts) + 1, bool)
    marked[list(cuts)] = True
    return Quality("cuts", f"{len(cuts)}{within}", f"at {spans(marked)}; one unbroken shot makes the best head")


def _sync(report: ClipReport) -> Quality:
    lag = report.lag
    if lag is None:
        return Quality("sync", "not sure: the sound does not foretell the lips")
    if lag in IN_STEP:
        return Quality("sync", "lips and sound are in step")
    late = "after" if lag > 0 else "before"
    return Quality(
        "sync",
        f"lips move {abs(lag) * 1000 / FPS:.0f} ms {late} their sound",
        "shift the sound of the video, or films will be out of step",
    )


def _noise(report: ClipReport) -> Quality:
    above = report.sound.speech_to_noise
    value = f"over {_QUIET:.0f}" if above > _QUIET else f"{above:.0f}"
    limit = "noise passes for speech; record closer, in a quiet room, without music" if above < NOISE else ""
    return Quality("noise", f"{value} dB below the speech", limit)


def _clipping(report: ClipReport) -> Quality:
    limit = "a recording at a lower level speaks better" if report.sound.clipped > CLIPPED_SHARE else ""
    return Quality("clipping", f"{report.sound.clipped:.1%} of the sound", limit)
