"""Which of a file's audio tracks is taken: the one that is asked for, that is flagged, or that holds speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from arguments.clock import SAMPLE_RATE
from arguments.errors import EGSTalkerError
from data_utils.audio_features.hops import HOP
from data_utils.audio_features.speech_activity import speech_activity
from media.container import open_media
from media.sound import read_audio
from media.tracks import AudioTrack, audio_stream, audio_tracks

_HEARD = 120.0  # seconds from a track's beginning that are listened to
_WINDOW = SAMPLE_RATE // HOP  # pieces of 10 ms in a second
SILENCE = 1e-4  # of full scale, -80 dB: a track that never exceeds it holds no speech


@dataclass(frozen=True)
class TrackChoice:
    """The track that is taken."""

    number: int | None  # from 1 on; None of a file that has no choice
    line: str = ""  # what was chosen among, for the user; empty where there was no choice


def choose_track(path: Path, wanted: int | None = None) -> TrackChoice:
    """Choose an audio track.

    The one that is asked for; else the only one with the default flag, if it is not silent; else, of those with the
    flag or, where there are none, of all, the one with most speech.

    Args:
        path: of a file with sound.
        wanted: number of a track, from 1 on.

    Raises:
        EGSTalkerError: the file cannot be read, or has no such track.
    """
    tracks = audio_tracks(path)
    if wanted is not None:
        with open_media(path) as container:
            audio_stream(container, wanted)
        return TrackChoice(wanted if len(tracks) > 1 else None)
    known = [track for track in tracks if track.can_be_decoded]
    if len(tracks) < 2 or not known:
        return TrackChoice(None)
    flagged = [track for track in known if track.is_default]
    if len(flagged) == 1 and _sound(path, flagged[0]).max(initial=0) > SILENCE:
        chosen, why = flagged[0], "the default one"
    else:
        among = flagged if len(flagged) > 1 else known
        chosen, why = max(among, key=lambda track: speech_seconds(_sound(path, track))), "the one with most speech"
    there = ", ".join(map(str, tracks))
    line = f"{path} has {len(tracks)} audio tracks: {there}; track {chosen.number} is taken, {why} (--audio_track N)"
    return TrackChoice(chosen.number, line)


def speech_seconds(samples: np.ndarray) -> float:
    """How long somebody speaks, about: the active speech, weighted by how much its loudness comes and goes.

    The share of quiet pieces tells speech, with its pauses between syllables and words, from music and noise
    (Saunders, "Real-time discrimination of broadcast speech/music", ICASSP 1996).

    Args:
        samples: mono [T] at 16 kHz, -1..1.

    Returns:
        seconds, less than the sound has.
    """
    quiet = quiet_share(samples)
    active = speech_activity(samples).active[: len(quiet) * _WINDOW]
    return float((active.reshape(-1, _WINDOW).mean(1) * quiet).sum())


def quiet_share(samples: np.ndarray) -> Float[np.ndarray, "S"]:
    """The share of each whole second's pieces of 10 ms that are less than half as loud as its mean (Saunders, 1996).

    Args:
        samples: mono [T] at 16 kHz, -1..1.
    """
    count = len(samples) // (_WINDOW * HOP)
    pieces = samples[: count * _WINDOW * HOP].reshape(count, _WINDOW, HOP)
    loudness = np.sqrt(np.square(pieces).mean(2))
    return (loudness < loudness.mean(1, keepdims=True) / 2).mean(1)


def _sound(path: Path, track: AudioTrack) -> np.ndarray:
    """The beginning of a track; nothing where it has no sound that can be decoded."""
    try:
        return read_audio(path, seconds=_HEARD, track=track.number)
    except EGSTalkerError:
        return np.zeros(0, np.float32)
