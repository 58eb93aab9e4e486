"""The default audio features of sound that is not over yet: a row of them, and how much of it is speech, a frame.

A row is what the extractor makes of a whole recording on the same scale. Two frames after a frame's end its row is
known: cepstra's deltas and the phones around a piece reach 78 ms ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from arguments.clock import SAMPLES_PER_FRAME
from arguments.errors import EGSTalkerError
from data_utils.audio_features.cepstra import DELTA_FRAMES
from data_utils.audio_features.hops import HOPS_PER_FRAME
from data_utils.audio_features.log_mel import log_mel_rows
from data_utils.audio_features.phones import HEARD_AFTER, HEARD_BEFORE, phone_cepstra, rows_of, scores
from data_utils.audio_features.speech_activity import SMOOTHING_REACH, piece_power, smoothed
from data_utils.audio_features.voice_scale import VoiceScale
from live.voice_tracker import VoiceTracker

ROW_DELAY = HEARD_AFTER  # frames between a frame and its row
_SEEN = HEARD_BEFORE + 1 + HEARD_AFTER  # frames of sound that a row is made of

Rows = Callable[[np.ndarray, VoiceScale], Float32[np.ndarray, "1 D"]]
"""The row of the frame :data:`ROW_DELAY` before the last, of the :data:`_SEEN` frames of sound up to now."""


def _log_mel() -> Rows:
    row = HEARD_BEFORE
    return lambda samples, scale: log_mel_rows(samples, row, row + 1, scale.speech.level, scale.spectrum)


def _phones() -> Rows:
    """Scores of a frame are made once, on the scale of that time."""
    scored = torch.zeros(0)

    def rows(samples: np.ndarray, scale: VoiceScale) -> Float32[np.ndarray, "1 160"]:
        nonlocal scored
        begin = _SEEN - 1 - 2 * DELTA_FRAMES if len(scored) else 1
        fresh = scores(phone_cepstra(samples, begin, _SEEN, scale.speech.level), scale.cepstrum)
        scored = torch.cat([scored[HOPS_PER_FRAME:], fresh]) if len(scored) else fresh
        return rows_of(scored)

    return rows


EXTRACTORS: dict[str, tuple[Callable[[], Rows], ...]] = {
    "log_mel_phones": (_log_mel, _phones),
    "log_mel": (_log_mel,),
    "phones": (_phones,),
}
"""Those that can be had as the sound comes: what makes their rows, for one stretch of sound."""


@dataclass(frozen=True)
class Heard:
    """One frame of sound."""

    features: Float32[np.ndarray, "D"]
    activity: float
    """Share of it that is as loud as speech, 0..1."""


class FeatureStream:
    """Makes the rows of :func:`data_utils.audio_features.extract`, and :func:`data_utils.voice.speech_share`.

    Args:
        extractor: name of the features.
        voice: whose scale they are on.

    Raises:
        EGSTalkerError: the extractor needs the whole recording, or is none.
    """

    def __init__(self, extractor: str | None, voice: VoiceTracker) -> None:
        if extractor not in EXTRACTORS:
            raise EGSTalkerError(
                f"features {extractor!r} need the whole recording; live use takes {', '.join(EXTRACTORS)}: make the "
                "dataset's with one of them (preprocess.sh, --task 2 --asr) and train.sh with --only speech"
            )
        self._rows, self._voice = [begin() for begin in EXTRACTORS[extractor]], voice
        self._waiting: list[np.ndarray] = []
        self._sound = np.zeros(_SEEN * SAMPLES_PER_FRAME, np.float32)
        self._power = np.zeros(_SEEN * HOPS_PER_FRAME)
        self._is_sound = np.zeros(_SEEN * HOPS_PER_FRAME, bool)  # of the pieces; not what lies beyond the sound's ends
        self._frames = self._samples = 0

    def push(self, samples: Float32[np.ndarray, "T"]) -> list[Heard]:
        """The frames that are known now that these samples (mono, 16 kHz, -1..1) are there."""
        self._waiting.append(samples)
        self._samples += len(samples)
        if self._samples < (self._frames + 1) * SAMPLES_PER_FRAME:
            return []
        there = np.concatenate(self._waiting)
        whole = len(there) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
        self._waiting = [there[whole:]]
        pieces = there[:whole].reshape(-1, SAMPLES_PER_FRAME)
        return [heard for piece in pieces for heard in self._frame(piece, piece_power(piece))]

    def finish(self) -> list[Heard]:
        """The last frames: what is begun counts as a whole one, before silence."""
        rest = np.concatenate([np.zeros(0, np.float32), *self._waiting])
        wanted = -(-self._samples // SAMPLES_PER_FRAME)
        begun = [] if not len(rest) else [(np.pad(rest, (0, SAMPLES_PER_FRAME - len(rest))), piece_power(rest))]
        silence = [(np.zeros(SAMPLES_PER_FRAME, np.float32), np.zeros(0))] * (ROW_DELAY if wanted else 0)
        return [heard for piece, power in [*begun, *silence] for heard in self._frame(piece, power)]

    def _frame(self, piece: Float32[np.ndarray, "640"], power: np.ndarray) -> list[Heard]:
        """What is known with one more frame; ``power`` of its whole pieces."""
        self._sound = np.concatenate([self._sound[SAMPLES_PER_FRAME:], piece])
        beyond = (0, HOPS_PER_FRAME - len(power))
        self._power = np.concatenate([self._power[HOPS_PER_FRAME:], np.pad(power, beyond)])
        self._is_sound = np.concatenate([self._is_sound[HOPS_PER_FRAME:], np.pad(np.ones(len(power), bool), beyond)])
        self._frames += 1
        if self._frames > 1:
            self._voice.hear(self._sound, _SEEN - 2, self._loudness(_SEEN - 2))
        if self._frames <= ROW_DELAY:
            return []
        scale, row = self._voice.scale, HEARD_BEFORE
        features = np.concatenate([rows(self._sound, scale)[0] for rows in self._rows])
        active = scale.speech.active(self._loudness(row)) & self._is_sound[row * HOPS_PER_FRAME :][:HOPS_PER_FRAME]
        return [Heard(features, float(active.mean()))]

    def _loudness(self, frame: int) -> np.ndarray:
        first, last = frame * HOPS_PER_FRAME, (frame + 1) * HOPS_PER_FRAME
        around = self._power[first - SMOOTHING_REACH : last + SMOOTHING_REACH]
        return smoothed(around)[SMOOTHING_REACH:-SMOOTHING_REACH]
