"""How much of each video frame is speech."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from data_utils.audio_features.hops import HOPS_PER_FRAME
from data_utils.audio_features.speech_activity import speech_activity


def speech_share(samples: Float[np.ndarray, "T"], num_frames: int) -> Float[np.ndarray, "{num_frames}"]:
    """The share of each frame's 40 ms that is as loud as speech, 0..1; silence beyond the sound's end.

    Args:
        samples: mono at 16 kHz, -1..1; may lie on disk.
        num_frames: N.
    """
    active = speech_activity(samples).active[: num_frames * HOPS_PER_FRAME]
    active = np.pad(active, (0, num_frames * HOPS_PER_FRAME - len(active)))
    return active.reshape(num_frames, HOPS_PER_FRAME).mean(axis=1, dtype=np.float32)
