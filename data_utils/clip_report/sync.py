"""Whether lips move when the sound says so, in the stretches of a clip with the most speech."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from arguments.clock import FPS, SAMPLES_PER_FRAME
from data_utils.audio_features.hops import HOPS_PER_FRAME
from data_utils.audio_features.log_mel import log_mel
from data_utils.clip_report.pictures import faces_of
from data_utils.face_mesh import lip_gap
from data_utils.sound_lag import LEAST, sound_lag
from data_utils.source import Source
from media.video import read_stretch

STRETCH = 10 * FPS  # frames: enough for real recordings to tell, with regressions of 162 features
TRIES = 2  # stretches that are asked in turn


def measure_lag(
    source: Source, samples: Float32[np.ndarray, "T"], speech: Bool[np.ndarray, "M"], num_frames: int
) -> int | None:
    """Frames by which the lips come after the sound that moves them.

    Args:
        source: the clip.
        samples: its sound, mono at 16 kHz.
        speech: the pieces of 10 ms in which somebody speaks.
        num_frames: of the clip.

    Returns:
        the lag, -12..12, about 0 or -1 of people in step; None where lips and sound do not say.
    """
    for stretch in _most_spoken(speech, num_frames):
        sound = samples[stretch.start * SAMPLES_PER_FRAME : stretch.stop * SAMPLES_PER_FRAME]
        gap, usable = np.zeros(len(stretch)), np.zeros(len(stretch), bool)
        for number, face in faces_of(read_stretch(source.path, source.info, stretch), source):
            gap[number - stretch.start], usable[number - stretch.start] = lip_gap(face[None])[0], True
        lag = sound_lag(log_mel(sound, len(stretch)).astype(np.float64), gap, usable)
        if lag is not None:
            return lag
    return None


def _most_spoken(speech: Bool[np.ndarray, "M"], num_frames: int) -> list[range]:
    """The stretches with the most speech, best first; none where a clip is too short or nobody speaks."""
    length = min(STRETCH, num_frames)
    if length < LEAST:
        return []
    spoken = np.concatenate([[0], np.cumsum(speech)])
    at = np.minimum(np.arange(0, num_frames + 1) * HOPS_PER_FRAME, len(speech))
    amount = (spoken[at][length:] - spoken[at][:-length]).astype(float)
    chosen: list[range] = []
    while len(chosen) < TRIES and amount.max() > 0:
        start = int(amount.argmax())
        chosen.append(range(start, start + length))
        amount[max(0, start - length + 1) : start + length] = 0
    return chosen
