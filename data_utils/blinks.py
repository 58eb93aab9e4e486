"""Blinks of a dataset's frames: au.csv, or SyncTalk's blendshapes where that is missing."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Float32

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.action_units import STRONGEST, read_action_unit_45
from data_utils.cures import cure
from data_utils.rows import rows_of_frames

_EYES = slice(8, 10)  # of MediaPipe's blendshapes without the neutral one: eyeBlinkLeft, eyeBlinkRight; 0..1


def read_blinks(folder: DatasetFolder, num_frames: int) -> Float32[np.ndarray, "{num_frames}"]:
    """Blink intensity of each of ``num_frames`` frames in AU45's range, [N] float32 in 0..5.

    Raises:
        EGSTalkerError: what is there is damaged or of another length; says what to do.
    """
    if folder.blinks != folder.blendshapes:
        again = partial(cure, folder, 7)
        return read_action_unit_45(folder.action_units, num_frames, folder.numbers, again=again)
    path = folder.blendshapes
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        shut = np.asarray(values[:, _EYES], np.float64).mean(axis=1)
    except Exception as error:  # numpy raises many types on damaged files
        raise EGSTalkerError(f"{path} holds no blendshapes; delete it and {cure(folder, 7)}") from error
    at = rows_of_frames(len(shut), range(num_frames) if folder.numbers is None else folder.numbers)
    if at is None or not np.isfinite(shut).all():
        raise EGSTalkerError(f"{path} holds no blendshapes of {num_frames} frames; delete it and {cure(folder, 7)}")
    return (STRONGEST * np.clip(shut, 0, 1))[at].astype(np.float32)
