"""Audio features of any sound file, for a head that was trained with a known extractor."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from arguments.clock import FPS, SAMPLE_RATE
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.audio_features import DEFAULT_EXTRACTOR, EXTRACTORS, extract
from media.sound import iter_audio

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
SILENCE = 1e-3  # a peak below this (-60 dB) is no speech


def extractor_of(folder: DatasetFolder, feature_shape: tuple[int, ...]) -> str:
    """The extractor that a data set was made with: as dataset.json records it, else by the shape of a frame's features.

    Raises:
        EGSTalkerError: it is not known, or not one that is here.
    """
    by_shape = {entry.shape: name for name, entry in EXTRACTORS.items()}
    name = folder.read_record().get("extractor") or by_shape.get(feature_shape)
    if name in EXTRACTORS and EXTRACTORS[name].shape == feature_shape:
        return name
    if name in EXTRACTORS:
        found = f"another version of {name} ({feature_shape} values a frame, not {EXTRACTORS[name].shape})"
    else:
        found = f"extractor {name!r}, which is not here" if name else f"no known extractor (shape {feature_shape})"
    raise EGSTalkerError(
        f"{folder.audio_features} was made with {found}: make the sound's features yourself and give them to render.py "
        f"with --custom_aud, or run preprocess.sh with --task 2 --asr {DEFAULT_EXTRACTOR} and train again"
    )


def speech_features(sound: Path, extractor: str, work_folder: Path, device: str | None = None) -> Float[Tensor, "N *D"]:
    """One row of features for every started video frame (40 ms) of a sound file.

    The decoded samples pass through a temporary file in ``work_folder`` (4 MB a minute), so that memory holds the
    features only (1 MB a minute of log-mel). ``device``: of the extractor's model, as in ``extract``.

    Raises:
        EGSTalkerError: the file cannot be read, has no audio, is silent, or is shorter than one video frame; or the
            extractor's model is not here.
    """
    with tempfile.TemporaryDirectory(prefix=".sound-", dir=work_folder) as folder:
        samples = _samples_on_disk(sound, Path(folder) / "samples.float32")
        num_frames = -(-len(samples) // SAMPLES_PER_FRAME)
        return torch.from_numpy(np.ascontiguousarray(extract(extractor, samples, num_frames, device)))


def _samples_on_disk(sound: Path, target: Path) -> np.ndarray:
    peak, length = 0.0, 0
    with target.open("wb") as file:
        for block in iter_audio(sound, SAMPLE_RATE):
            finite = np.nan_to_num(block, posinf=1.0, neginf=-1.0).clip(-1, 1)
            peak = max(peak, float(np.abs(finite).max(initial=0.0)))
            length += len(finite)
            file.write(finite.astype(np.float32).tobytes())
    if length < SAMPLES_PER_FRAME:
        raise EGSTalkerError(
            f"{sound} holds {length / SAMPLE_RATE * 1000:.0f} ms of sound; a video needs at least 40 ms"
        )
    if peak < SILENCE:
        raise EGSTalkerError(f"{sound} is silent; give a recording of speech")
    return np.memmap(target, dtype=np.float32, mode="r")
