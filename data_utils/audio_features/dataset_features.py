"""aud.npy and aud_ds.npy of a dataset: made from aud.wav, or kept where another program made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from arguments.atomic import atomic_path
from arguments.clock import SAMPLE_RATE
from arguments.dataset_folder import FEATURES, DatasetFolder, num_train_frames
from arguments.digest import sha256
from data_utils.audio_features import DEFAULT_EXTRACTOR, EXTRACTORS, extract
from data_utils.audio_features.feature_file import clip_features, feature_shape, read_feature_file
from media.sound import read_audio


def default_extractor(folder: DatasetFolder) -> str:
    """The extractor that a dataset was made with, or which the features that lie in it are of, or the usual one."""
    recorded = folder.read_record().get("extractor")
    if isinstance(recorded, str):
        return recorded
    shapes: dict[tuple[int, ...] | None, str] = {entry.shape: name for name, entry in EXTRACTORS.items()}
    by_shape = (shapes.get(feature_shape(path)) for path in _candidates(folder))
    return next((name for name in by_shape if name), DEFAULT_EXTRACTOR)


def write_features(folder: DatasetFolder, extractor: str, num_frames: int) -> int:
    """Make both files and record the extractor; returns the number of rows.

    A file of the extractor's shape that this function did not write is used as it is, whichever name its program gave
    it, and then the extractor's model is not needed. Log-mel and phones, which need none, are made anew.

    Raises:
        EGSTalkerError: what :func:`extract` raises, or a given file cannot be used. Both files are then what they were.
    """
    given = [path for path in _candidates(folder) if _is_given(folder, path, extractor)]
    if given:
        clip_features(folder, given[0], num_frames)  # raises where they do not fit
        rows = read_feature_file(given[0])
    else:
        samples = read_audio(folder.audio, SAMPLE_RATE)
        rows = extract(extractor, samples, num_frames, fit_frames=num_train_frames(num_frames))
    written = {}
    for path in _candidates(folder)[:2]:
        if path in given:
            path.touch()  # newer than the sound: task 2 is done
            continue
        with atomic_path(path) as temporary:
            np.save(temporary, rows)
        written[path.name] = sha256(path)
    folder.update_record(extractor=extractor, features=written)
    return len(rows)


def _is_given(folder: DatasetFolder, path: Path, extractor: str) -> bool:
    entry = EXTRACTORS.get(extractor)
    if entry is None or not entry.model or feature_shape(path) != entry.shape:
        return False
    record = folder.read_record()
    ours = record.get("features")
    if not isinstance(ours, dict):  # a dataset of before this was recorded, or of another program
        return record.get("extractor") != extractor
    return ours.get(path.name) != sha256(path)


def _candidates(folder: DatasetFolder) -> list[Path]:
    """Files that may hold a dataset's features: the two that are ours first."""
    ours = [folder.audio_features_ds, folder.root / FEATURES[0]]
    return ours + [path for name in FEATURES if (path := folder.root / name) not in ours]
