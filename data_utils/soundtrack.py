"""aud.wav and its splits: the sound under a dataset's frames."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Float

from arguments.clock import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from arguments.dataset_folder import DatasetFolder, num_train_frames
from data_utils.source import Source
from media.sound import read_audio, write_wav
from media.sound_survey import survey

logger = logging.getLogger(__name__)

_FULL_SCALE = 0.99  # samples beyond it, several in a row, were cut off when they were recorded
CLIPPED_SHARE = 1e-3  # of the samples; more can be heard, and disturbs the audio features


def write_audio(source: Source, folder: DatasetFolder) -> int:
    """Write aud.wav (16 kHz, mono, exactly N / 25 s), aud_train.wav and aud_novel.wav. Returns N."""
    info = source.info
    length = info.num_frames * SAMPLES_PER_FRAME
    track = source.track.number
    for remark in filter(None, (source.track.line, *survey(source.path, track).remarks)):
        logger.warning(remark)
    seconds = info.num_frames / FPS
    samples = read_audio(source.path, SAMPLE_RATE, origin=info.start, seconds=seconds, track=track)
    clipped = clipped_share(samples)
    if clipped > CLIPPED_SHARE:
        logger.warning(
            "the sound is clipped in %s of its length; a recording at a lower level speaks better", f"{clipped:.1%}"
        )
    samples = np.pad(samples, (0, length - len(samples)))
    split = num_train_frames(info.num_frames) * SAMPLES_PER_FRAME
    write_wav(folder.audio_train, samples[:split])
    write_wav(folder.audio_novel, samples[split:])
    write_wav(folder.audio, samples)
    return info.num_frames


def clipped_share(samples: Float[np.ndarray, "T"]) -> float:
    """The share of samples that are in runs of three or more at full scale.

    Args:
        samples: [T], -1..1.
    """
    full = np.abs(samples) > _FULL_SCALE
    return float((full[2:] & full[1:-1] & full[:-2]).mean()) if len(full) > 2 else 0.0
