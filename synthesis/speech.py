"""Audio features of any sound file, for a head that was trained with a known extractor."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from arguments.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from arguments.errors import EGSTalkerError
from data_utils.audio_features import DEFAULT_EXTRACTOR, EXTRACTORS, extract
from data_utils.voice import loudness, speech_share
from media.sound import iter_audio
from motion.model_motion import ModelMotion
from scene.clip import Clip


@dataclass(frozen=True)
class Speech:
    """What is heard in N frames."""

    features: Float[Tensor, "N *D"]
    activity: Float[Tensor, "N"]
    """Share of each frame that is as loud as speech, 0..1."""
    loudness: Float[np.ndarray, "N"]
    """Of :func:`data_utils.voice.loudness`."""


def extractor_of(clip: Clip, motion: ModelMotion | None) -> str:
    """The extractor whose features drive a model.

    That of its speech model; or, of a head that audio features drive, the data set's: as dataset.json records it, else
    by the shape of a frame's features.

    Raises:
        EGSTalkerError: it is not known, or not one that is here.
    """
    by_shape = {entry.shape: name for name, entry in EXTRACTORS.items()}
    if motion is not None and motion.speech is not None:
        settings = motion.speech.settings
        recorded, shape = settings.extractor, settings.feature_shape
    else:
        recorded, shape = clip.extractor, clip.feature_shape
    name = recorded or by_shape.get(shape)
    if name in EXTRACTORS and EXTRACTORS[name].shape == shape:
        return name
    if name in EXTRACTORS:
        found = f"another version of {name} ({shape} values a frame, not {EXTRACTORS[name].shape})"
    else:
        found = f"extractor {name!r}, which is not here" if name else f"no known extractor (shape {shape})"
    again = "train again" if motion is None else "learn its speech again with ./train.sh and --only speech"
    raise EGSTalkerError(
        f"the model learnt with features of {found}: make the sound's features yourself and give them to render.py "
        f"with --custom_aud, or run preprocess.sh with --task 2 --asr {DEFAULT_EXTRACTOR} on {clip.root} and "
        f"{again}"
    )


def speech_features(sound: Path, extractor: str, work_folder: Path, device: str | None = None) -> Float[Tensor, "N *D"]:
    """The features of :func:`heard`."""
    return heard(sound, extractor, work_folder, device).features


def heard(
    sound: Path, extractor: str, work_folder: Path, device: str | None = None, track: int | None = None
) -> Speech:
    """One row for every started video frame (40 ms) of a sound file, which may be silent.

    The decoded samples pass through a temporary file in ``work_folder`` (4 MB a minute), so that memory holds the
    features only (1.5 MB a minute). ``device``: of the extractor's model, as in ``extract``; ``track``: of the file's
    audio tracks, as in ``iter_audio``.

    Raises:
        EGSTalkerError: the file cannot be read, has no audio, or is shorter than one video frame; or the extractor's
            model is not here.
    """
    with tempfile.TemporaryDirectory(prefix=".sound-", dir=work_folder) as folder:
        samples = _samples_on_disk(sound, Path(folder) / "samples.float32", track)
        num_frames = -(-len(samples) // SAMPLES_PER_FRAME)
        features = np.ascontiguousarray(extract(extractor, samples, num_frames, device))
        activity = torch.from_numpy(speech_share(samples, num_frames))
        return Speech(torch.from_numpy(features), activity, loudness(samples, num_frames))


def _samples_on_disk(sound: Path, target: Path, track: int | None) -> np.ndarray:
    length = 0
    with target.open("wb") as file:
        for block in iter_audio(sound, SAMPLE_RATE, track=track):
            finite = np.nan_to_num(block, posinf=1.0, neginf=-1.0).clip(-1, 1)
            length += len(finite)
            file.write(finite.astype(np.float32).tobytes())
    if length < SAMPLES_PER_FRAME:
        raise EGSTalkerError(
            f"{sound} holds {length / SAMPLE_RATE * 1000:.0f} ms of sound; a video needs at least 40 ms"
        )
    return np.memmap(target, dtype=np.float32, mode="r")
