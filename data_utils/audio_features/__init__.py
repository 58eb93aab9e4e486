"""Extractors of audio features, one file each, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from arguments.device import CPU
from arguments.errors import EGSTalkerError
from data_utils.audio_features.deepspeech import deepspeech
from data_utils.audio_features.log_mel import DIMENSION as LOG_MEL_DIMENSION
from data_utils.audio_features.log_mel import log_mel
from data_utils.audio_features.log_mel_phones import DIMENSION as LOG_MEL_PHONES_DIMENSION
from data_utils.audio_features.log_mel_phones import log_mel_phones
from data_utils.audio_features.phones import DIMENSION as PHONES_DIMENSION
from data_utils.audio_features.phones import phones
from data_utils.audio_features.self_supervised import hubert, wav2vec2

SAMPLE_RATE = 16000  # Hz, of the samples that every extractor takes
MODELS = Path(__file__).resolve().parent / "models"


@dataclass(frozen=True)
class Extractor:
    """One kind of audio features."""

    shape: tuple[int, ...]  # of one frame's
    # samples, frames, the model's path, device, frames to fit: see extract
    compute: Callable[[Float32[np.ndarray, "T"], int, Path, str | None, int | None], Float32[np.ndarray, "N ..."]]
    model: str = ""  # file or folder below MODELS; none where it is empty
    megabytes: int = 0  # of the model
    licence: str = "-"  # of the model
    source: str = "none needed"
    phones_from: int = -1  # first column of the values of ``phones``; -1 where they are no part of the features

    @property
    def size(self) -> str:
        """Values a frame, in words."""
        return " x ".join(map(str, self.shape))


_BSD = "BSD-2-Clause"
_POCKETSPHINX = "the package pocketsphinx"
EXTRACTORS: dict[str, Extractor] = {
    "log_mel_phones": Extractor(
        (LOG_MEL_PHONES_DIMENSION,),
        lambda samples, num_frames, _, device, fit: log_mel_phones(samples, num_frames, fit, device or CPU),
        licence=_BSD,
        source=_POCKETSPHINX,
        phones_from=LOG_MEL_DIMENSION,
    ),
    "log_mel": Extractor(
        (LOG_MEL_DIMENSION,),
        lambda samples, num_frames, _, device, fit: log_mel(samples, num_frames, fit, device or CPU),
    ),
    "phones": Extractor(
        (PHONES_DIMENSION,),
        lambda samples, num_frames, _, device, fit: phones(samples, num_frames, fit, device or CPU),
        licence=_BSD,
        source=_POCKETSPHINX,
        phones_from=0,
    ),
    "wav2vec2": Extractor(
        (768,), wav2vec2, "wav2vec2-base-960h", 378, "Apache-2.0", "huggingface.co/facebook/wav2vec2-base-960h"
    ),
    "hubert": Extractor(
        (1024,), hubert, "hubert-large-ls960-ft", 1262, "Apache-2.0", "huggingface.co/facebook/hubert-large-ls960-ft"
    ),
    "deepspeech": Extractor(
        (16, 29),
        lambda samples, num_frames, path, _, fit: deepspeech(samples, num_frames, path, fit_frames=fit),
        "deepspeech/output_graph.pb",
        490,
        "MPL-2.0",
        "github.com/mozilla/DeepSpeech v0.1.0",
    ),
}
DEFAULT_EXTRACTOR = "log_mel_phones"


def can_run(name: str) -> bool:
    """Whether an extractor is here, with its model."""
    return name in EXTRACTORS and (not EXTRACTORS[name].model or (MODELS / EXTRACTORS[name].model).exists())


def extractor_table() -> list[str]:
    """The extractors in one line each: name, values a frame, model, its size and licence."""
    rows = [("name", "values", "model", "size", "licence")]
    for name, entry in EXTRACTORS.items():
        rows.append((name, entry.size, entry.source, f"{entry.megabytes} MB" if entry.model else "", entry.licence))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def extract(
    name: str,
    samples: Float32[np.ndarray, "T"],
    num_frames: int,
    device: str | None = None,
    fit_frames: int | None = None,
) -> Float32[np.ndarray, "{num_frames} ..."]:
    """Audio features, one row for the 40 ms of each video frame.

    Args:
        name: of the extractor; the one that the dataset was made with, for custom audio (dataset.json "extractor").
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; beyond the sound's end there is silence.
        device: of PyTorch. Unless given the models run on the GPU, where there is one, and all else on the CPU.
        fit_frames: the sound's scale (loudness, spectrum, mean and variance, whatever the extractor normalises by) is
            that of the first so many frames, a dataset's training part; of the whole sound unless given.

    Returns:
        [N, D] float32; [N, 16, 29] for DeepSpeech.

    Raises:
        EGSTalkerError: no extractor of that name, its model is absent or damaged, or the features are not finite.
    """
    if name not in EXTRACTORS:
        raise EGSTalkerError(f"no audio features called {name!r}; choose from {', '.join(EXTRACTORS)}")
    entry = EXTRACTORS[name]
    path = MODELS / entry.model
    if entry.model and not path.exists():
        raise EGSTalkerError(
            f"{name} ({entry.size} values a frame) needs {path} ({entry.source}, {entry.megabytes} MB, "
            f"{entry.licence}): run ./download_models.sh, or give features that another program made "
            "(aud.npy in the dataset, --custom_aud of render.py)"
        )
    rows = entry.compute(samples, num_frames, path, device, fit_frames)
    if rows.shape != (num_frames, *entry.shape) or not np.isfinite(rows).all():
        raise EGSTalkerError(f"the features {name} of this sound are not finite; check the sound track and {path}")
    return rows.astype(np.float32, copy=False)
