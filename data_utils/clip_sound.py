"""The sound of a dataset's frames."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from arguments.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from arguments.dataset_folder import DatasetFolder


def read_clip_sound(folder: DatasetFolder, num_frames: int) -> Float32[np.ndarray, "T"]:
    """The first ``num_frames`` frames' sound, 40 ms of each, from aud.wav: mono at 16 kHz, [T], -1..1.

    T is 640 N at most, and less where aud.wav is shorter and no frames are left out.

    Raises:
        EGSTalkerError: aud.wav is missing or damaged.
    """
    from media.sound import read_audio  # loads PyAV, which a head does without

    samples = read_audio(folder.audio, SAMPLE_RATE)
    if folder.heard is None:
        return samples[: num_frames * SAMPLES_PER_FRAME]
    heard = np.asarray(folder.heard[:num_frames])
    short = (heard.max() + 1) * SAMPLES_PER_FRAME - len(samples)
    whole = np.pad(samples, (0, max(0, short)))
    frames = whole[: len(whole) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME].reshape(-1, SAMPLES_PER_FRAME)
    return frames[heard].reshape(-1)
