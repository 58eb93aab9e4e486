"""The scale of a voice while it is heard: what came before decides, so nothing depends on how the sound is cut.

A whole recording is its own scale (:func:`data_utils.audio_features.log_mel_phones.voice_scale`); here that of what has
been heard takes over from the one that a session begins with, in the measure in which there was speech, and every frame
goes a part of the way there: no jump from frame to frame.
"""

from __future__ import annotations

import functools
from collections import deque

import numpy as np
from jaxtyping import Float, Float32

from arguments.clock import FPS
from data_utils.audio_features.hops import HOPS_PER_FRAME
from data_utils.audio_features.log_mel import PRIOR_HOPS, level_gain, mel_power, usual_spectrum, within_reason
from data_utils.audio_features.phones import USUAL_CEPSTRUM, phone_cepstra
from data_utils.audio_features.speech_activity import USUAL_SPEECH, SpeechLevel, speech_level
from data_utils.audio_features.voice_scale import VoiceScale

REMEMBERED = 60 * FPS * HOPS_PER_FRAME  # pieces of 10 ms, of loudness and of speech: a minute
SHARE = 0.3  # of the way to what has been heard, a frame: most of it in a quarter of a second
KNOWN_HOPS = 500  # weight of a voice that was heard before: 5 s of speech


@functools.cache
def usual_scale() -> VoiceScale:
    """The scale of speech of which nothing is known yet."""
    return VoiceScale(USUAL_SPEECH, usual_spectrum(), USUAL_CEPSTRUM)


class VoiceTracker:
    """Follows the scale of what is heard.

    Args:
        start: what it begins with; the usual scale if None.
        follows: whether it changes at all.
    """

    def __init__(self, start: VoiceScale | None = None, *, follows: bool = True) -> None:
        self.scale = self._start = start or usual_scale()
        self._weight = PRIOR_HOPS if start is None else KNOWN_HOPS
        self._follows = follows
        self._loudness: deque[float] = deque(maxlen=REMEMBERED)
        self._heard = 0.0  # pieces of speech
        self._power, self._cepstra = np.zeros(len(self.scale.spectrum)), np.zeros(len(self.scale.cepstrum))

    def hear(self, samples: Float32[np.ndarray, "T"], frame: int, loud: Float[np.ndarray, "4"]) -> None:
        """Take in one more frame.

        Args:
            samples: mono at 16 kHz, with 15 ms around the frame.
            frame: its number among them.
            loud: power of the 50 ms around each of its pieces.
        """
        if not self._follows:
            return
        self._loudness.extend(loud)
        speech = np.flatnonzero(self.scale.speech.active(loud))
        if len(speech):
            level = self.scale.speech.level
            power = mel_power(samples, frame, frame + 1, 1.0)[speech].double().numpy()
            values = phone_cepstra(samples, frame, frame + 1, level)[speech].double().numpy()
            kept = max(0.0, 1 - len(speech) / REMEMBERED)
            self._heard = kept * self._heard + len(speech)
            self._power = kept * self._power + power.sum(0)
            self._cepstra = kept * self._cepstra + values.sum(0) + len(speech) * _louder(level)
        self.scale = self._nearer()

    def _nearer(self) -> VoiceScale:
        loudness = np.array(self._loudness)
        found = speech_level(loudness)
        pieces = np.count_nonzero(found.active(loudness))
        now, start, trust = self.scale.speech, self._start.speech, pieces / (pieces + self._weight)
        heard = found if pieces else start
        logs = [np.log([one.level, one.softest, one.loudest]) for one in (now, start, heard)]
        speech = SpeechLevel(*np.exp(_towards(logs[0], (1 - trust) * logs[1] + trust * logs[2])).tolist())
        total = self._weight + self._heard
        spectrum = (self._weight * self._start.spectrum + level_gain(speech.level) ** 2 * self._power) / total
        cepstrum = self._weight * self._start.cepstrum + self._cepstra - self._heard * _louder(speech.level)
        return VoiceScale(
            speech,
            np.exp(_towards(np.log(self.scale.spectrum), np.log(within_reason(spectrum)))),
            _towards(self.scale.cepstrum, cepstrum / total),
        )


def _towards(now: Float[np.ndarray, "*D"], wanted: Float[np.ndarray, "*D"]) -> Float[np.ndarray, "*D"]:
    return now + SHARE * (wanted - now)


def _louder(level: float) -> Float[np.ndarray, "13"]:
    """What cepstra of speech at its own level have more than those of speech brought to unit level."""
    return np.array([10 * np.log(level), *[0.0] * 12])
