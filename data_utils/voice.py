"""How much of each video frame is speech, and how loud it is."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from arguments.clock import SAMPLES_PER_FRAME
from data_utils.audio_features.hops import HOPS_PER_FRAME
from data_utils.audio_features.speech_activity import speech_activity

_QUIET = 40.0  # dB below a sound's loud parts, from which on it is as good as silent
_LOUD = 95  # percentile of its frames' level that counts as loud


def speech_share(samples: Float[np.ndarray, "T"], num_frames: int) -> Float[np.ndarray, "{num_frames}"]:
    """The share of each frame's 40 ms that is as loud as speech, 0..1; silence beyond the sound's end.

    Args:
        samples: mono at 16 kHz, -1..1; may lie on disk.
        num_frames: N.
    """
    active = speech_activity(samples).active[: num_frames * HOPS_PER_FRAME]
    active = np.pad(active, (0, num_frames * HOPS_PER_FRAME - len(active)))
    return active.reshape(num_frames, HOPS_PER_FRAME).mean(axis=1, dtype=np.float32)


def loudness(samples: Float[np.ndarray, "T"], num_frames: int) -> Float[np.ndarray, "{num_frames}"]:
    """How loud each frame's 40 ms are, 0 (silent) to about 1, whatever the sound's level.

    ``samples``: mono at 16 kHz, -1..1; may lie on disk.
    """
    wanted = num_frames * SAMPLES_PER_FRAME
    sound = np.asarray(samples[:wanted], np.float32)
    blocks = np.pad(sound, (0, wanted - len(sound))).reshape(num_frames, SAMPLES_PER_FRAME)
    level = 10 * np.log10((blocks**2).mean(1) + 1e-10)
    return np.clip(1 + (level - np.percentile(level, _LOUD)) / _QUIET, 0, None).astype(np.float64)
